/* All kernels for one instruction set: the templates for float, then for double. */
#if defined(__GNUC__) && !defined(__clang__)
/* A kernel has the signature of its family and may need less of it. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
/* Vectors are passed between inlined functions only, so how a call would pass them does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"
#else
#pragma clang diagnostic ignored "-Wunused-parameter"
#endif

#define FNN_BITS 32
#include "fnn_table.tmpl.h"
#undef FNN_BITS

#define FNN_BITS 64
#include "fnn_table.tmpl.h"
#undef FNN_BITS
