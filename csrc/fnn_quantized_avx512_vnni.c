/* Narrow weights on x86-64 processors with AVX-512 F, VL, BW, DQ and VNNI. */
#include <math.h>
#include <string.h>

#include "fnn_quantized.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,avx512vnni,prefer-vector-width=512")
#endif

#define FNN_ISA avx512_vnni
#define FNN_TABLE avx512
#define FNN_BFLOAT16_THERE 1
#define FNN_BITS 32
#define FNN_FMA 1
#define FNN_VECTOR_BYTES 64
#define FNN_MOST_GROUPS 4
#define FNN_PANEL_VECTORS 4
#define FNN_INT8_ROWS 6
#define FNN_INT8_CHAINS(vectors) ((vectors) < 3 ? 8 / (vectors) : 2)
#define FNN_DOT FNN_BYTES
#define FNN_FOURS(sum, w, x) ((FN(ints))_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(x), (__m512i)(w)))

#include "fnn_quantized.tmpl.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
