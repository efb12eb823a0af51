/* Narrow weights on every processor of this architecture. */
#include <math.h>
#include <string.h>

#include "fnn_quantized.h"

#define FNN_ISA base
#define FNN_TABLE base
#define FNN_BITS 32
#define FNN_VECTOR_BYTES 16
#define FNN_PANEL_VECTORS 4
#define FNN_INT8_CHAINS(vectors) ((vectors) == 1 ? 4 : 1)
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FNN_FMA 1
#else
#define FNN_FMA 0
#endif

#if defined(__x86_64__)
#include <emmintrin.h>
#define FNN_DOT FNN_WORDS
#define FNN_MOST_GROUPS 1
#define FNN_INT8_ROWS 1
#define FNN_PAIRS(a, b) ((FN(ints))_mm_madd_epi16((__m128i)(a), (__m128i)(b)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#define FNN_DOT FNN_SIGNED
#define FNN_MOST_GROUPS 2
#define FNN_INT8_ROWS 4
#if defined(__ARM_FEATURE_DOTPROD)
#define FNN_FOURS(sum, w, x) ((int32x4_t)vdotq_s32((int32x4_t)(sum), (int8x16_t)(w), (int8x16_t)(x)))
#else
/* Two products fit into 16 bits: 128 * 127 each. */
static inline int32x4_t fours(int32x4_t sum, int8x16_t w, int8x16_t x)
{
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#define FNN_FOURS(sum, w, x) fours((int32x4_t)(sum), (int8x16_t)(w), (int8x16_t)(x))
#endif
#else
#define FNN_DOT FNN_PLAIN
#define FNN_MOST_GROUPS 1
#define FNN_INT8_ROWS 1
#endif

#include "fnn_quantized.tmpl.h"
