/* Philox4x32-10, inline, so that each instruction set compiles its own.
 *
 * Counter of block k of a stream: (low 32 bits of k, stream, low 32 bits of step, high 32 bits of step ^ high 32 bits
 * of k); key: (low, high) 32 bits of the seed.  No counter repeats while k or step is below 2^32. */
#ifndef FNN_PHILOX_H
#define FNN_PHILOX_H

#include <string.h>

#include "fnn_kernels.h"

#define FNN_SPAN 128 /* numbers made at once: enough blocks for the widest vectors */

/* Blocks side by side in vectors: each word in the lower half of a 64-bit lane, the upper half being of no account, which
 * is how processors multiply 32 bits by 32.  No compiler finds that instruction in a loop of plain C. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the numbers of a block are stored in pairs, the first in the lower half"
#endif
#ifndef FNN_VECTOR_BYTES
#define FNN_PHILOX_BYTES 16
#else
#define FNN_PHILOX_BYTES FNN_VECTOR_BYTES
#endif
#define FNN_PHILOX_LANES (FNN_PHILOX_BYTES / 8)
typedef uint64_t fnn_words __attribute__((vector_size(FNN_PHILOX_BYTES)));

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if FNN_PHILOX_BYTES == 64
#define FNN_LANE_NUMBERS 0, 1, 2, 3, 4, 5, 6, 7
#define FNN_FIRST_PAIRS 0, 8, 1, 9, 2, 10, 3, 11
#define FNN_LAST_PAIRS 4, 12, 5, 13, 6, 14, 7, 15
#elif FNN_PHILOX_BYTES == 32
#define FNN_LANE_NUMBERS 0, 1, 2, 3
#define FNN_FIRST_PAIRS 0, 4, 1, 5
#define FNN_LAST_PAIRS 2, 6, 3, 7
#else
#define FNN_LANE_NUMBERS 0, 1
#define FNN_FIRST_PAIRS 0, 2
#define FNN_LAST_PAIRS 1, 3
#endif

#if defined(__x86_64__) && FNN_PHILOX_BYTES == 64
#define FNN_MULTIPLY_WIDE(x, c) ((fnn_words)_mm512_mul_epu32((__m512i)(x), _mm512_set1_epi64(c)))
#elif defined(__x86_64__) && FNN_PHILOX_BYTES == 32
#define FNN_MULTIPLY_WIDE(x, c) ((fnn_words)_mm256_mul_epu32((__m256i)(x), _mm256_set1_epi64x(c)))
#elif defined(__x86_64__)
#define FNN_MULTIPLY_WIDE(x, c) ((fnn_words)_mm_mul_epu32((__m128i)(x), _mm_set1_epi64x(c)))
#else
#define FNN_MULTIPLY_WIDE(x, c) (((x) & 0xFFFFFFFFu) * (uint64_t)(c))
#endif

static inline __attribute__((always_inline)) void fnn_philox_blocks(fnn_words word[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        const fnn_words even = FNN_MULTIPLY_WIDE(word[0], 0xD2511F53u);
        const fnn_words odd = FNN_MULTIPLY_WIDE(word[2], 0xCD9E8D57u);
        word[0] = (odd >> 32) ^ word[1] ^ key0;
        word[2] = (even >> 32) ^ word[3] ^ key1;
        word[1] = odd;
        word[3] = even;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/* out = the numbers of 32 bits of blocks first .. first + FNN_SPAN/4 - 1. */
static inline void fnn_philox_span(const fnn_random *random, uint64_t first, uint32_t out[FNN_SPAN])
{
    const uint32_t key0 = (uint32_t)random->seed, key1 = (uint32_t)(random->seed >> 32);
    const uint64_t step_low = (uint32_t)random->step, step_high = random->step >> 32 ^ first >> 32;
    /* first is a multiple of FNN_SPAN/4, so the low half does not carry */
    for (uint32_t k = 0; k < FNN_SPAN / 4; k += FNN_PHILOX_LANES) {
        const fnn_words zero = {0}, index = {FNN_LANE_NUMBERS};
        fnn_words word[4] = {index + ((uint32_t)first + k), zero + random->stream, zero + step_low, zero + step_high};
        fnn_philox_blocks(word, key0, key1);
        const fnn_words left = (word[0] & 0xFFFFFFFFu) | word[1] << 32, right = (word[2] & 0xFFFFFFFFu) | word[3] << 32;
        const fnn_words pairs[2] = {__builtin_shufflevector(left, right, FNN_FIRST_PAIRS),
                                    __builtin_shufflevector(left, right, FNN_LAST_PAIRS)};
        memcpy(out + 4 * k, pairs, sizeof pairs);
    }
}

#endif
