/* The table of kernels for a dtype on this processor. */
#ifndef FNN_DISPATCH_H
#define FNN_DISPATCH_H

#include "fnn_kernels.h"

/* Table for itemsize 4 (float) or 8 (double) and an instruction set by name; NULL if this build or this processor
 * does not have it.  isa NULL: the best one. */
const fnn_kernels *fnn_kernel_table(ptrdiff_t itemsize, const char *isa);

#endif
