/* Counter-based random numbers: Philox4x32-10 [Salmon et al. 2011].  No state: a number is a function of
 * (seed, stream, step, index), so results do not depend on threads or on how work is split. */
#ifndef FNN_RANDOM_H
#define FNN_RANDOM_H

#include "fnn_kernels.h"

/* out[4] = Philox4x32-10 of counter[4] under key[2]. */
void fnn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* out_n uniform in [0, 1) with 53 random bits. */
void fnn_random_uniform(ptrdiff_t N, const fnn_random *random, double *out);
/* out_n standard normal [Box & Muller 1958]. */
void fnn_random_normal(ptrdiff_t N, const fnn_random *random, double *out);
/* out = a uniform permutation of first .. first + N - 1 [Fisher & Yates; Durstenfeld 1964]. */
void fnn_random_permutation(ptrdiff_t N, const fnn_random *random, int64_t first, int64_t *out);

#endif
