/* The table of kernels for a dtype on this processor. */
#ifndef FNN_DISPATCH_H
#define FNN_DISPATCH_H

#include "fnn_kernels.h"

/* Table for itemsize 4 (float) or 8 (double) and an instruction set by name; NULL if this build or this processor
 * does not have it.  isa NULL: the best one. */
const fnn_kernels *fnn_kernel_table(ptrdiff_t itemsize, const char *isa);

/* A row of fnn_families.def as text: its name, and its last entry. */
typedef struct fnn_row {
    const char *name, *trait;
} fnn_row;

extern const fnn_row fnn_activation_rows[FNN_ACTIVATIONS], fnn_loss_rows[FNN_LOSSES], fnn_optimizer_rows[FNN_OPTIMIZERS];

#endif
