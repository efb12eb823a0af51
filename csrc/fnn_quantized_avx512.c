/* Narrow weights on x86-64 processors with AVX-512 F, VL, BW and DQ. */
#include <math.h>
#include <string.h>

#include "fnn_quantized.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,prefer-vector-width=512")
#endif

#define FNN_ISA avx512
#define FNN_TABLE avx512
#define FNN_BITS 32
#define FNN_FMA 1
#define FNN_VECTOR_BYTES 64
#define FNN_MOST_GROUPS 4
#define FNN_PANEL_VECTORS 4
#define FNN_INT8_ROWS 4
#define FNN_INT8_CHAINS(vectors) 1
#define FNN_DOT FNN_WORDS
#define FNN_PAIRS(a, b) ((FN(ints))_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))

#include "fnn_quantized.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
