/* The kernels every processor of this architecture can run. */
#include <math.h>
#include <string.h>

#include "fnn_kernels.h"

#define FNN_ISA base
/* Vectors, and the tiles of outputs that fill the registers. */
#define FNN_VECTOR_BYTES 16
#if defined(__aarch64__) /* NEON has 32 of them, SSE2 16 */
#define FNN_TILE_ROWS 8
#define FNN_TILE_VECTORS 3
#define FNN_FORWARD_VECTORS 3
#define FNN_GRADIENT_VECTORS 3
#define FNN_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(6, 2) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(6, 3)
#define FNN_LARGEST_TILES(TILE) TILE(8, 1) TILE(8, 2) TILE(8, 3)
#define FNN_WINDOW_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) TILE(8, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(6, 2) TILE(8, 2) \
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(6, 3) TILE(8, 3)
#define FNN_SCATTER_VECTORS 5
#define FNN_SCATTER_TILES(TILE, rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3) TILE(rows, 4) TILE(rows, 5)
#define FNN_NARROW_ROWS 4
#define FNN_NARROW_VECTORS 2
/* Before it gives out registers, GCC would move the loads of a tile up to the front of its loop, and then have too few
 * of them: a tile of 8 x 3 vectors kept three of its sums in memory. */
#define FNN_TILE_UNSCHEDULED
#else
#define FNN_TILE_ROWS 8
#define FNN_TILE_VECTORS 2
#define FNN_FORWARD_VECTORS 2
#define FNN_GRADIENT_VECTORS 2
#define FNN_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2)
#define FNN_LARGEST_TILES(TILE) TILE(8, 1) TILE(4, 2)
#define FNN_WINDOW_TILES(TILE) \
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(6, 1) \
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2)
#define FNN_SCATTER_VECTORS 2
#define FNN_SCATTER_TILES(TILE, rows) TILE(rows, 1) TILE(rows, 2)
#define FNN_NARROW_ROWS 2
#define FNN_NARROW_VECTORS 2
#endif
/* Few outputs fill several vectors here. */
#define FNN_WINDOW_PAIRED 0
#define FNN_WINDOW_NEAR 0
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FNN_FMA 1
#else
#define FNN_FMA 0
#endif

#include "fnn_table.tmpl.h"
