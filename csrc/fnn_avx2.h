/* The kernels for x86-64 processors with AVX2 and FMA. */
#include <math.h>
#include <string.h>

#include "fnn_kernels.h"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define FNN_ISA avx2
/* Vectors, and the tile of outputs that fills the registers. */
#define FNN_VECTOR_BYTES 32
#define FNN_TILE_ROWS 4
#define FNN_TILE_VECTORS 3
#define FNN_NARROW_ROWS 3
#define FNN_NARROW_VECTORS 2
#define FNN_FMA 1

#include "fnn_table.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
