// The kernels for any CPU of the architecture.
#include "level_functions.hpp"

namespace pyffipar {

const kernel_table baseline_kernels = level_kernels;

} // namespace pyffipar
