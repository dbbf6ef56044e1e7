/* The built-in kernels' CPU levels. The kernels themselves are exported as pyffipar_<name>_<type>; what they
 * take and how their partial results merge is declared, in the contract language, in
 * pyffipar/kernels/declarations.py. */
#ifndef PYFFIPAR_KERNELS_H
#define PYFFIPAR_KERNELS_H

#include "pyffipar.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The level kernels run at: "avx512", "avx2" or "baseline"; the best this CPU has unless another was chosen.
 */
PYFFIPAR_EXPORT const char *pyffipar_kernel_level(void);

/* Run at another level from now on: 1 if there is one of that name and this CPU can, else 0 and nothing
 * changes. No result depends on it: it is for tests and measurements. */
PYFFIPAR_EXPORT int32_t pyffipar_use_kernel_level(const char *name);

#ifdef __cplusplus
}
#endif

#endif
