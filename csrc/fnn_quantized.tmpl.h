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

#include "fnn_bfloat16.tmpl.h"
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
    .bfloat16_pack = FN(bfloat16_pack),
    .bfloat16_unpack = FN(bfloat16_unpack),
    .bfloat16_forward = FN(bfloat16_forward),
};
