/* Narrow weights on x86-64 processors with AVX2, FMA and AVX-VNNI. */
#include <math.h>
#include <string.h>

#include "fnn_quantized.h"

#if defined(FNN_HAS_AVX_VNNI)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avxvnni")
#endif

#define FNN_ISA avx2_vnni
#define FNN_TABLE avx2
#define FNN_BFLOAT16_THERE 1
#define FNN_BITS 32
#define FNN_FMA 1
#define FNN_VECTOR_BYTES 32
#define FNN_MOST_GROUPS 3
#define FNN_PANEL_VECTORS 2
#define FNN_INT8_ROWS 6
#define FNN_INT8_CHAINS(vectors) (8 / (vectors))
#define FNN_DOT FNN_BYTES
#define FNN_FOURS(sum, w, x) ((FN(ints))_mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(x), (__m256i)(w)))

#include "fnn_quantized.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
