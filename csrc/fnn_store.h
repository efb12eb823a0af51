/* Store the first count elements of a vector: one masked store where the instruction set has it. */
#ifndef FNN_STORE_H
#define FNN_STORE_H

#if defined(__x86_64__) && FNN_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

#if defined(__x86_64__) && FNN_VECTOR_BYTES == 64
#define FNN_STORE_FIRST_32(out, value, count) \
    _mm512_mask_storeu_ps(out, (__mmask16)((1u << (count)) - 1), (__m512)(value))
#define FNN_STORE_FIRST_64(out, value, count) \
    _mm512_mask_storeu_pd(out, (__mmask8)((1u << (count)) - 1), (__m512d)(value))
#elif defined(__x86_64__) && FNN_VECTOR_BYTES == 32
static const int32_t FNN_FIRST[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#define FNN_FIRST_LANES(n) _mm256_loadu_si256((const __m256i *)(FNN_FIRST + 8 - (n)))
#define FNN_STORE_FIRST_32(out, value, count) _mm256_maskstore_ps(out, FNN_FIRST_LANES(count), (__m256)(value))
#define FNN_STORE_FIRST_64(out, value, count) _mm256_maskstore_pd(out, FNN_FIRST_LANES(2 * (count)), (__m256d)(value))
#else
#define FNN_STORE_FIRST_32(out, value, count) memcpy(out, &(value), (size_t)(count) * sizeof(float))
#define FNN_STORE_FIRST_64(out, value, count) memcpy(out, &(value), (size_t)(count) * sizeof(double))
#endif

#endif
