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
/* Vectors, and the tiles of outputs: of the largest, sums, a row of W and an element of A fill the 16 registers. */
#define FNN_VECTOR_BYTES 32
#define FNN_TILE_ROWS 8
#define FNN_TILE_VECTORS 3
#define FNN_FORWARD_VECTORS 3
#define FNN_GRADIENT_VECTORS 3
#define FNN_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3)
#define FNN_LARGEST_TILES(TILE) TILE(8, 1) TILE(6, 2) TILE(4, 3)
#define FNN_WINDOW_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) TILE(8, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(6, 2) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3)
#define FNN_WINDOW_PAIRED 12
#define FNN_WINDOW_NEAR 12
#define FNN_WINDOW_NEAR_TILES(TILE) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(1, 5) \
    TILE(2, 5) TILE(1, 6) TILE(2, 6) TILE(1, 7)
#define FNN_SCATTER_VECTORS 3
#define FNN_SCATTER_TILES(TILE, rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define FNN_NARROW_ROWS 3
#define FNN_NARROW_VECTORS 2
#define FNN_FMA 1

#include "fnn_table.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
