/* The kernels for x86-64 processors with AVX-512 F, VL, BW and DQ. */
#include <math.h>
#include <string.h>

#include "fnn_kernels.h"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,prefer-vector-width=512")
#endif

#define FNN_ISA avx512
/* Vectors, and the tiles of outputs: the largest fill the 32 registers.  Of W as it lies 12 x 2 is the faster one, whose
 * panel is narrower; a W that is turned over, and columns of A, of which 12 would lie in two cache lines, want 8 x 3. */
#define FNN_VECTOR_BYTES 64
#define FNN_TILE_ROWS 12
#define FNN_TILE_VECTORS 3
#define FNN_FORWARD_VECTORS 2
#define FNN_GRADIENT_VECTORS 2 /* of a convolution: the gradients of a panel and the inputs stay in the first cache */
#define FNN_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(9, 2) TILE(10, 2) TILE(11, 2) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(6, 3)
#define FNN_LARGEST_TILES(TILE) TILE(8, 1) TILE(12, 2) TILE(8, 3)
#define FNN_WINDOW_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) TILE(8, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(6, 2) TILE(8, 2) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(6, 3) TILE(8, 3)
#define FNN_WINDOW_PAIRED 16
#define FNN_WINDOW_NEAR 16
#define FNN_SWEEPS 1 /* with 16 registers a sweep would load as much as a tile does */
#define FNN_WINDOW_NEAR_TILES(TILE) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(1, 4) TILE(2, 4) TILE(3, 4) \
    TILE(4, 4) TILE(1, 5) TILE(2, 5) TILE(3, 5) TILE(1, 7) TILE(2, 7) TILE(1, 8) TILE(2, 8)
#define FNN_SCATTER_VECTORS 6
#define FNN_SCATTER_TILES(TILE, rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3) TILE(rows, 4) TILE(rows, 5) TILE(rows, 6)
#define FNN_NARROW_ROWS 6
#define FNN_NARROW_VECTORS 4
#define FNN_FMA 1

#include "fnn_table.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
