// The kernels for x86-64 with AVX2 and FMA.
#include "level_functions.hpp"

namespace pyffipar {

const kernel_table avx2_kernels = level_kernels;

} // namespace pyffipar
