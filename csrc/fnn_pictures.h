/* Pixels of three colours at once: what pictures.pyx looks up between pixels, four numbers wide. */
#ifndef FNN_PICTURES_H
#define FNN_PICTURES_H

#include <stddef.h>
#include <string.h>

typedef float fnn_quad_float __attribute__((vector_size(16)));
typedef double fnn_quad_double __attribute__((vector_size(32)));

/* y_0..3 = that which lies v down and h right of the pixel at x, of four neighbours; rows of x lie line apart.  READS and
 * WRITES one number more than the three of a pixel. */
#define FNN_BETWEEN(real)                                                                                                \
    static inline void fnn_between_##real(const real *x, ptrdiff_t line, real v, real h, real *y)                        \
    {                                                                                                                    \
        fnn_quad_##real a, b, c, d;                                                                                      \
        memcpy(&a, x, sizeof a);                                                                                         \
        memcpy(&b, x + 3, sizeof b);                                                                                     \
        memcpy(&c, x + line, sizeof c);                                                                                  \
        memcpy(&d, x + line + 3, sizeof d);                                                                              \
        const fnn_quad_##real above = a + h * (b - a), below = c + h * (d - c), all = above + v * (below - above);       \
        memcpy(y, &all, sizeof all);                                                                                     \
    }
FNN_BETWEEN(float)
FNN_BETWEEN(double)

#endif
