// The kernels of one CPU level as a table of function pointers.
#pragma once

#include "kernel_list.hpp"

namespace pyffipar {

#define PYFFIPAR_ENTRY(result, name, parameters, arguments, ...) result(*name) parameters noexcept;
struct kernel_table {
    PYFFIPAR_KERNELS(PYFFIPAR_ENTRY)
};
#undef PYFFIPAR_ENTRY

// Each is made in a translation unit compiled for its CPU.
extern const kernel_table baseline_kernels;
#if defined(PYFFIPAR_X86_LEVELS)
extern const kernel_table avx2_kernels;
extern const kernel_table avx512_kernels;
#endif

} // namespace pyffipar
