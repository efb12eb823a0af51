/* Philox4x32-10, inline, so that each instruction set compiles its own.
 *
 * Counter of block k of a stream: (low 32 bits of k, stream, low 32 bits of step, high 32 bits of step ^ high 32 bits
 * of k); key: (low, high) 32 bits of the seed.  No counter repeats while k or step is below 2^32. */
#ifndef FNN_PHILOX_H
#define FNN_PHILOX_H

#include "fnn_kernels.h"

#define FNN_SPAN 128 /* numbers made at once: enough blocks for the widest vectors */

/* Inlined into loops over blocks, which then become vector code: no block depends on another. */
static inline __attribute__((always_inline)) void fnn_philox_block(uint32_t word[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        const uint64_t even = (uint64_t)0xD2511F53u * word[0];
        const uint64_t odd = (uint64_t)0xCD9E8D57u * word[2];
        word[0] = (uint32_t)(odd >> 32) ^ word[1] ^ key0;
        word[2] = (uint32_t)(even >> 32) ^ word[3] ^ key1;
        word[1] = (uint32_t)odd;
        word[3] = (uint32_t)even;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/* out = the numbers of 32 bits of blocks first .. first + FNN_SPAN/4 - 1. */
static inline void fnn_philox_span(const fnn_random *random, uint64_t first, uint32_t out[FNN_SPAN])
{
    const uint32_t key0 = (uint32_t)random->seed, key1 = (uint32_t)(random->seed >> 32);
    const uint32_t stream = random->stream;
    const uint32_t step_low = (uint32_t)random->step, step_high = (uint32_t)(random->step >> 32);
    for (uint32_t k = 0; k < FNN_SPAN / 4; k++) {
        /* first is a multiple of FNN_SPAN/4, so the low half does not carry */
        uint32_t word[4] = {(uint32_t)first + k, stream, step_low, step_high ^ (uint32_t)(first >> 32)};
        fnn_philox_block(word, key0, key1);
        for (int w = 0; w < 4; w++)
            out[4 * k + (uint32_t)w] = word[w];
    }
}

#endif
