// The kernels for x86-64 with AVX-512 F, BW, DQ and VL.
#include "level_functions.hpp"

namespace pyffipar {

const kernel_table avx512_kernels = level_kernels;

} // namespace pyffipar
