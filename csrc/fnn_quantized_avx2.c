/* Narrow weights on x86-64 processors with AVX2 and FMA. */
#include <math.h>
#include <string.h>

#include "fnn_quantized.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define FNN_ISA avx2
#define FNN_TABLE avx2
#define FNN_BITS 32
#define FNN_FMA 1
#define FNN_VECTOR_BYTES 32
#define FNN_MOST_GROUPS 3
#define FNN_PANEL_VECTORS 2
#define FNN_INT8_ROWS 4
#define FNN_INT8_CHAINS(vectors) 1
#define FNN_DOT FNN_WORDS
#define FNN_PAIRS(a, b) ((FN(ints))_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))

#include "fnn_quantized.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
