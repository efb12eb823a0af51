/* Products with narrow weights, for one instruction set. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wunused-parameter" /* not every way of multiplying needs all */
#pragma GCC diagnostic ignored "-Wpsabi"            /* vectors are passed between inlined functions only */
#else
#pragma clang diagnostic ignored "-Wunused-parameter"
#endif

#include "fnn_real.h"
#include "fnn_store.h"

typedef float FN(reals) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t FN(ints) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(4), may_alias));
enum { FN(LANES) = FNN_VECTOR_BYTES / 4 };

/* What is stored of a vector of weighted inputs: z with no -0, and a = activation(z). */
FNN_ELEMENT FN(reals) FN(activated)(FN(reals) z, int activation, float alpha)
{
    z = z + 0.0f;
    if (activation == FNN_IDENTITY)
        return z;
    const FN(ints) positive = (FN(ints))(z > 0), negative = (FN(ints))(z <= 0);
    if (activation == FNN_RELU)
        return (FN(reals))((FN(ints))z & ~negative);
    return (FN(reals))(((FN(ints))z & positive) | ((FN(ints))(alpha * z) & ~positive));
}

FNN_ELEMENT void FN(store_first)(float *out, FN(reals) value, ptrdiff_t count)
{
    if (count < FN(LANES))
        STORE_FIRST(out, value, count);
    else
        *(FN(reals) *)out = value;
}

/* Of kernels that differ in how they multiply bytes alone, bfloat16 has one set: FNN_BFLOAT16_THERE says that it is the one
 * of FNN_TABLE, in a file of its own. */
#define BFLOAT16(name) FN_(bfloat16_##name, FNN_TABLE)
void BFLOAT16(pack)(ptrdiff_t I, ptrdiff_t O, const uint16_t *w, uint16_t *packed);
void BFLOAT16(unpack)(ptrdiff_t I, ptrdiff_t O, const uint16_t *packed, uint16_t *w);
void BFLOAT16(forward)(const fnn_products *products, const fnn_bfloat16_weights *w, ptrdiff_t B, ptrdiff_t first,
                       ptrdiff_t last, const float *x, const float *bias, int activation, double alpha, float *work,
                       float *y);
#if !defined(FNN_BFLOAT16_THERE)
#include "fnn_bfloat16.tmpl.h"
#endif
#include "fnn_int8.tmpl.h"

#define FNN_QUOTE_(word) #word
#define FNN_QUOTE(word) FNN_QUOTE_(word)

extern const fnn_quantized FN(fnn_quantized);
const fnn_quantized FN(fnn_quantized) = {
    .name = FNN_QUOTE(FNN_ISA),
    .isa = FNN_QUOTE(FNN_TABLE),
    .panel = FN(INT8_PANEL),
    .lanes = FN(LANES),
    .int8_pack = FN(int8_pack),
    .int8_unpack = FN(int8_unpack),
    .int8_rows = FN(int8_rows),
    .int8_forward = FN(int8_forward),
    .bfloat16_pack = BFLOAT16(pack),
    .bfloat16_unpack = BFLOAT16(unpack),
    .bfloat16_forward = BFLOAT16(forward),
};
