/* Vectors whose sixteen-byte pieces are interleaved pairwise: what turning a matrix over is made of.
 * LOW and HIGH take the first and the second half of each piece of x and y in turn, by elements of 32 or 64 bits. */
#ifndef FNN_TURN_H
#define FNN_TURN_H

#if FNN_VECTOR_BYTES == 32
#include <immintrin.h>
#endif

#if FNN_VECTOR_BYTES == 64
#define FNN_LOW_32 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define FNN_HIGH_32 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define FNN_LOW_64 0, 8, 2, 10, 4, 12, 6, 14
#define FNN_HIGH_64 1, 9, 3, 11, 5, 13, 7, 15
#elif FNN_VECTOR_BYTES == 32
#define FNN_LOW_32 0, 8, 1, 9, 4, 12, 5, 13
#define FNN_HIGH_32 2, 10, 3, 11, 6, 14, 7, 15
#define FNN_LOW_64 0, 4, 2, 6
#define FNN_HIGH_64 1, 5, 3, 7
#else
#define FNN_LOW_32 0, 4, 1, 5
#define FNN_HIGH_32 2, 6, 3, 7
#define FNN_LOW_64 0, 2
#define FNN_HIGH_64 1, 3
#endif

typedef float fnn_vector_32 __attribute__((vector_size(FNN_VECTOR_BYTES)));
typedef double fnn_vector_64 __attribute__((vector_size(FNN_VECTOR_BYTES)));
typedef long long fnn_piece __attribute__((vector_size(16), aligned(4), may_alias));
#define FNN_INTERLEAVE(bits, half, x, y) \
    ((fnn_vector_64)__builtin_shufflevector((fnn_vector_##bits)(x), (fnn_vector_##bits)(y), FNN_##half##_##bits))

/* A vector whose piece g lies at p + g * step bytes. */
static inline __attribute__((always_inline)) fnn_vector_64 fnn_gather_pieces(const char *p, ptrdiff_t step)
{
#define FNN_PIECE(g) (*(const fnn_piece *)(p + (g) * step))
#if FNN_VECTOR_BYTES == 64
    return (fnn_vector_64)__builtin_shufflevector(
        __builtin_shufflevector(FNN_PIECE(0), FNN_PIECE(1), 0, 1, 2, 3),
        __builtin_shufflevector(FNN_PIECE(2), FNN_PIECE(3), 0, 1, 2, 3), 0, 1, 2, 3, 4, 5, 6, 7);
#elif FNN_VECTOR_BYTES == 32 /* GCC would load both, and take a turn of the unit that shuffles too */
    return (fnn_vector_64)_mm256_inserti128_si256(_mm256_castsi128_si256((__m128i)FNN_PIECE(0)), (__m128i)FNN_PIECE(1), 1);
#else
    return (fnn_vector_64)FNN_PIECE(0);
#endif
#undef FNN_PIECE
}

/* The way back: piece g of x to p + g * step bytes. */
static inline __attribute__((always_inline)) void fnn_scatter_pieces(fnn_vector_64 x, char *p, ptrdiff_t step)
{
#define FNN_PIECE(g) (*(fnn_piece *)(p + (g) * step))
    typedef long long words __attribute__((vector_size(FNN_VECTOR_BYTES)));
    const words y = (words)x;
    FNN_PIECE(0) = __builtin_shufflevector(y, y, 0, 1);
#if FNN_VECTOR_BYTES > 16
    FNN_PIECE(1) = __builtin_shufflevector(y, y, 2, 3);
#endif
#if FNN_VECTOR_BYTES > 32
    FNN_PIECE(2) = __builtin_shufflevector(y, y, 4, 5);
    FNN_PIECE(3) = __builtin_shufflevector(y, y, 6, 7);
#endif
#undef FNN_PIECE
}

#endif
