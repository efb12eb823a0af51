/* Weights in 8 bits times rows in 8 bits, summed in 32: exact, so that any order gives the same bits.
 *
 * FNN_DOT says how four products at a time are added to a sum:
 *   FNN_BYTES   one instruction for unsigned times signed bytes (VNNI); rows are bytes u
 *   FNN_WORDS   pairs of 16-bit numbers (x86 since SSE2): weights widened by shifts, rows are 16-bit u.  The older
 *               instruction for bytes (vpmaddubsw) saturates.
 *   FNN_SIGNED  signed bytes times signed bytes (arm64); rows are bytes u - 128
 *   FNN_PLAIN   none; rows are bytes u - 128 */

#define FNN_BYTES 1
#define FNN_WORDS 2
#define FNN_SIGNED 3
#define FNN_PLAIN 4

/* A rounded row begins with these; its numbers follow, then the list. */
typedef struct FN(row_head) {
    float scale;
    int32_t zero;    /* what 0 became, plus FNN_SHIFT */
    int32_t excess;  /* of every sum: 128 for each unit of an input whose weights are stored with 128 added */
    int32_t listed;  /* how many fours of inputs are not all 0 and stand in the list; -1: there is no list */
} FN(row_head);

/* Some numbers of a row, to be spread over a vector. */
typedef int32_t FN(piece) __attribute__((aligned(1), may_alias));

enum { FN(INT8_PANEL) = FNN_PANEL_VECTORS * FN(LANES), FN(HEAD) = 64 };

#if FNN_DOT == FNN_WORDS
/* Of four weights those of inputs 0 and 1 lie at even places with 128 added, so that a mask widens them; those of inputs 2
 * and 3 at odd places, for a shift. */
typedef int16_t FN(number);
typedef int16_t FN(shorts) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(2), may_alias));
typedef struct FN(weights) {
    FN(shorts) even, odd;
} FN(weights);
static const int FN(QUAD_INPUT)[4] = {0, 2, 1, 3}, FN(QUAD_EXCESS)[4] = {128, 0, 128, 0};
#else
typedef uint8_t FN(number);
typedef int8_t FN(weights) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(1), may_alias));
static const int FN(QUAD_INPUT)[4] = {0, 1, 2, 3}, FN(QUAD_EXCESS)[4] = {0, 0, 0, 0};
#endif

/* What is taken from u in a row, so that its numbers fit. */
#if FNN_DOT == FNN_BYTES || FNN_DOT == FNN_WORDS
#define FNN_SHIFT 0
#else
#define FNN_SHIFT 128
#endif

/* Lay out whole numbers, or take them back from how they are laid out. */
FNN_ELEMENT void FN(int8_move)(ptrdiff_t I, ptrdiff_t O, int8_t *q, int8_t *packed, const int back)
{
    const ptrdiff_t columns = (O + FN(LANES) - 1) / FN(LANES) * FN(LANES);
    for (ptrdiff_t o = 0; o < columns; o += FN(INT8_PANEL))
        for (ptrdiff_t i = 0; i < I; i += 4)
            for (ptrdiff_t c = o; c < columns && c < o + FN(INT8_PANEL); c++)
                for (int j = 0; j < 4; j++, packed++) {
                    const ptrdiff_t input = i + FN(QUAD_INPUT)[j];
                    const int there = input < I && c < O, excess = FN(QUAD_EXCESS)[j];
                    if (!back)
                        *packed = (int8_t)(uint8_t)((there ? q[input * O + c] : 0) + excess);
                    else if (there)
                        q[input * O + c] = (int8_t)(uint8_t)((uint8_t)*packed - excess);
                }
}

static void FN(int8_pack)(ptrdiff_t I, ptrdiff_t O, const int8_t *q, int8_t *packed)
{
    FN(int8_move)(I, O, (int8_t *)q, packed, 0);
}

static void FN(int8_unpack)(ptrdiff_t I, ptrdiff_t O, const int8_t *packed, int8_t *q)
{
    FN(int8_move)(I, O, q, (int8_t *)packed, 1);
}

FNN_ELEMENT FN(weights) FN(load_weights)(const int8_t *w)
{
#if FNN_DOT == FNN_WORDS
    const FN(shorts) both = *(const FN(shorts) *)w;
    return (FN(weights)){both & 255, both >> 8};
#else
    return *(const FN(weights) *)w;
#endif
}

/* sum + the products of four inputs, x pointing at them, for each lane. */
FNN_ELEMENT FN(ints) FN(dot)(FN(ints) sum, FN(weights) w, const FN(number) *x)
{
#if FNN_DOT == FNN_WORDS
    const FN(ints) even = (FN(ints)){0} + ((const FN(piece) *)x)[0], odd = (FN(ints)){0} + ((const FN(piece) *)x)[1];
    return sum + FNN_PAIRS(even, w.even) + FNN_PAIRS(odd, w.odd);
#elif FNN_DOT == FNN_PLAIN
    for (int lane = 0; lane < FN(LANES); lane++)
        for (int j = 0; j < 4; j++)
            sum[lane] += (int8_t)x[j] * w[4 * lane + j];
    return sum;
#else
    return FNN_FOURS(sum, w, (FN(ints)){0} + *(const FN(piece) *)x);
#endif
}

/* rows x vectors outputs of one panel at row m and output o, over all fours of inputs or over `count` that are listed;
 * chains: sums that do not wait for each other. */
FNN_ELEMENT void FN(int8_tile)(const fnn_int8_weights *w, const int rows, const int vectors, const int chains, ptrdiff_t m,
                               ptrdiff_t o, const void *rounded, ptrdiff_t count, const int32_t *list, const float *bias,
                               int activation, float alpha, float *y)
{
    const ptrdiff_t row_bytes = fnn_int8_row_bytes(w->inputs), quads = (w->inputs + 3) / 4;
    const char *row = (const char *)rounded + m * row_bytes;
    const int8_t *values = w->values + o * quads * 4;
    FN(ints) sum[8][FNN_INT8_ROWS][FNN_PANEL_VECTORS];
    ptrdiff_t k = 0;
    UNROLLED_EACH(8, chain, chains)
        UNROLLED_EACH(8, r, rows)
            UNROLLED_EACH(8, v, vectors)
                sum[chain][r][v] = (FN(ints)){0};
#define FNN_QUAD(chain, k)                                                                                             \
    do {                                                                                                               \
        const ptrdiff_t quad = list ? list[k] : (k);                                                                   \
        FN(weights) four[FNN_PANEL_VECTORS];                                                                           \
        UNROLLED_EACH(8, v, vectors)                                                                                   \
            four[v] = FN(load_weights)(values + (quad * vectors + v) * FNN_VECTOR_BYTES);                              \
        UNROLLED_EACH(8, r, rows)                                                                                      \
            UNROLLED_EACH(8, v, vectors)                                                                               \
                sum[chain][r][v] = FN(dot)(sum[chain][r][v], four[v],                                                  \
                                           (const FN(number) *)(row + r * row_bytes + FN(HEAD)) + 4 * quad);           \
    } while (0)
    for (; k + chains <= count; k += chains)
        UNROLLED_EACH(8, chain, chains)
            FNN_QUAD(chain, k + chain);
    for (; chains > 1 && k < count; k++)
        FNN_QUAD(0, k);
#undef FNN_QUAD
    UNROLLED_EACH(8, r, rows) {
        const FN(row_head) *head = (const FN(row_head) *)(row + r * row_bytes);
        UNROLLED_EACH(8, v, vectors) {
            const ptrdiff_t at = o + v * FN(LANES);
            FN(ints) total = sum[0][r][v] - head->excess;
            UNROLLED(8)
            for (int chain = 1; chain < chains; chain++)
                total += sum[chain][r][v];
            total -= head->zero * *(const FN(ints) *)(w->sums + at);
            const FN(reals) scale = head->scale * *(const FN(reals) *)(w->scale + at);
            const FN(reals) start = bias ? *(const FN(reals) *)(bias + at) : (FN(reals)){0};
            const FN(reals) z = __builtin_convertvector(total, FN(reals)) * scale + start;
            FN(store_first)(y + (m + r) * w->outputs + at, FN(activated)(z, activation, alpha), w->outputs - at);
        }
    }
}

/* Some rows of one panel of so many vectors. */
#define FNN_INT8_PANEL(vectors)                                                                                        \
    static void FN(int8_panel_##vectors)(const fnn_int8_weights *w, ptrdiff_t B, ptrdiff_t o, const char *rows,       \
                                         const float *bias, int activation, float alpha, float *y)                    \
    {                                                                                                                  \
        const ptrdiff_t quads = (w->inputs + 3) / 4;                                                                   \
        const int32_t listed = ((const FN(row_head) *)rows)->listed;                                                   \
        const int32_t *list = (const int32_t *)(rows + fnn_int8_list_at(w->inputs));                                   \
        ptrdiff_t m = 0;                                                                                               \
        for (; FNN_INT8_ROWS > 1 && m + FNN_INT8_ROWS <= B; m += FNN_INT8_ROWS)                                        \
            FN(int8_tile)(w, FNN_INT8_ROWS, vectors, 1, m, o, rows, quads, NULL, bias, activation, alpha, y);          \
        for (; FNN_INT8_ROWS > 2 && m + 2 <= B; m += 2)                                                                \
            FN(int8_tile)(w, FNN_INT8_ROWS > 2 ? 2 : 1, vectors, 1, m, o, rows, quads, NULL, bias, activation, alpha, y); \
        if (B == 1 && listed >= 0)                                                                                     \
            FN(int8_tile)(w, 1, vectors, FNN_INT8_CHAINS(vectors), 0, o, rows, listed, list, bias, activation, alpha, y); \
        else                                                                                                           \
            for (; m < B; m++)                                                                                         \
                FN(int8_tile)(w, 1, vectors, FNN_INT8_CHAINS(vectors), m, o, rows, quads, NULL, bias, activation,     \
                              alpha, y);                                                                               \
    }
FNN_INT8_PANEL(1)
FNN_INT8_PANEL(2)
#if FNN_PANEL_VECTORS > 2
FNN_INT8_PANEL(3)
FNN_INT8_PANEL(4)
#endif
#undef FNN_INT8_PANEL

static void FN(int8_forward)(const fnn_int8_weights *w, ptrdiff_t B, ptrdiff_t first, ptrdiff_t count, const void *rows,
                             const float *bias, int activation, double alpha, float *y)
{
    for (ptrdiff_t o = first; o < first + count; o += FN(INT8_PANEL)) {
        const ptrdiff_t vectors = (w->outputs - o + FN(LANES) - 1) / FN(LANES);
        if (vectors == 1)
            FN(int8_panel_1)(w, B, o, rows, bias, activation, (float)alpha, y);
#if FNN_PANEL_VECTORS > 2
        else if (vectors == 2)
            FN(int8_panel_2)(w, B, o, rows, bias, activation, (float)alpha, y);
        else if (vectors == 3)
            FN(int8_panel_3)(w, B, o, rows, bias, activation, (float)alpha, y);
        else
            FN(int8_panel_4)(w, B, o, rows, bias, activation, (float)alpha, y);
#else
        else
            FN(int8_panel_2)(w, B, o, rows, bias, activation, (float)alpha, y);
#endif
    }
}

/* The sum of the inputs whose weights are stored with 128 added. */
FNN_ELEMENT int32_t FN(excess)(ptrdiff_t I, const FN(number) *u)
{
    int32_t sum = 0;
#if FNN_DOT == FNN_WORDS
    for (ptrdiff_t i = 0; i < I; i += 4)
        sum += u[i] + u[i + 1];
#endif
    return sum;
}

/* List the fours of inputs that are not all 0, if so many are that they are worth a list. */
FNN_ELEMENT int32_t FN(list_quads)(ptrdiff_t I, const FN(number) *u, int32_t *list)
{
    const ptrdiff_t quads = (I + 3) / 4;
    int32_t count = 0;
    for (ptrdiff_t k = 0; k < quads; k++) {
        list[count] = (int32_t)k;
        count += (u[4 * k] | u[4 * k + 1] | u[4 * k + 2] | u[4 * k + 3]) != 0;
    }
    return 4 * count > 3 * quads ? -1 : count;
}

/* Numbers as bits: those of positive floats are in order as signed integers, of negative ones as unsigned integers; so
 * both extremes are maxima of integers, and NaN and inf lie beyond them. */
static void FN(int8_rows)(ptrdiff_t B, ptrdiff_t I, const float *x, void *rounded)
{
    const float ONES = 12582912.0f; /* 1.5 2^23: the last bit of such a number is worth 1 */
    for (ptrdiff_t b = 0; b < B; b++) {
        const float *row = x + b * I;
        FN(row_head) *head = (FN(row_head) *)((char *)rounded + b * fnn_int8_row_bytes(I));
        FN(number) *out = (FN(number) *)((char *)head + FN(HEAD));
        int32_t high = 0;
        uint32_t low = (uint32_t)1 << 31;
        for (ptrdiff_t i = 0; i < I; i++) {
            union { float real; int32_t bits; } both = {row[i]};
            high = both.bits > high ? both.bits : high;
            low = (uint32_t)both.bits > low ? (uint32_t)both.bits : low;
        }
        const union { int32_t bits; float real; } most = {high};
        const union { uint32_t bits; float real; } least = {low};
        const float scale = most.real / 255 - least.real / 255;
        const int normal = scale >= 0x1p-126f && scale <= 0x1p126f;
        const float inverse = normal ? 1 / scale : 0;
        const float zero = __builtin_rintf(-least.real * inverse), start = normal ? ONES + zero : ONES;
        for (ptrdiff_t i = 0; i < I; i++) {
            union { float real; uint32_t bits; } u = {FMA(row[i], inverse, start)};
            u.real = u.real < ONES ? ONES : u.real;
            u.real = u.real > ONES + 255 ? ONES + 255 : u.real;
            out[i] = (FN(number))((u.bits & 255) ^ FNN_SHIFT);
        }
        for (ptrdiff_t i = I; i % 4; i++)
            out[i] = 0;
        head->excess = 128 * FN(excess)(I, out);
        head->listed = B == 1 && FNN_SHIFT == 0 && zero == 0 ? FN(list_quads)(I, out, (int32_t *)((char *)head + fnn_int8_list_at(I))) : -1;
        head->scale = normal ? scale : scale < 1 ? 0 : __builtin_nanf("");
        head->zero = (normal ? (int32_t)zero : 0) - FNN_SHIFT;
    }
}
