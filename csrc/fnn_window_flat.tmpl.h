/* Weight gradients of a convolution of one channel: pixels are the lanes.
 *
 * Its windows are a few rows of a few elements, so few outputs would leave most of a vector empty.  Here gradients of the
 * outputs stand in planes, output by output, their rows as far apart as those of the image: then all pixels of a stretch of
 * rows see an element of their windows in one stretch of the image.  Between rows the planes hold zeros, and what the image
 * holds there counts nothing, unless it is infinite or NaN, when some of these gradients are not finite either way.
 * Order of summation: within a stretch place i goes to partial sum i % FNN_LANES; stretches one after the other, then the
 * partial sums in a fixed tree.  Which rows are a stretch is a matter of the sizes alone, and so is whether it is done so: in float32,
 * and where a multiply-add is one instruction, since it is worth its size there. */

#define FNN_FLAT (FNN_BITS == 32 && FNN_FMA)
#if FNN_FLAT
#define VECTOR(p) (*(const FN(vector) *)(p))
enum {
    FN(FLAT_ELEMENTS) = 4,  /* of a window in a tile, */
    FN(FLAT_OUTPUTS) = 3,   /* and outputs: with gradients and an element they fill sixteen registers */
    FN(FLAT_PLACES) = 6144, /* of all planes */
    FN(FLAT_IMAGE) = 3072,  /* elements of the image that a stretch sees, at most */
    FN(FLAT_SUMS) = 288,    /* of all tiles */
};

/* Pixels in rows of ``columns``, ``pitch`` apart in the image, of which a stretch has ``rows``; ``reach``: elements between
 * the first and the last of a window, ``outputs`` and ``elements``: of whole tiles. */
typedef struct FN(flat) {
    ptrdiff_t columns, pitch, rows, reach, outputs, elements;
} FN(flat);

static ptrdiff_t FN(whole)(ptrdiff_t n, ptrdiff_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Whether it is done so. */
static int FN(is_flat)(const fnn_windows *s, FN(flat) *f)
{
    ptrdiff_t n = 1, rows = 1, most, stretches;
    f->outputs = FN(whole)(s->outputs, FN(FLAT_OUTPUTS));
    f->elements = FN(whole)(s->runs * s->run, FN(FLAT_ELEMENTS));
    if (!f->elements || s->outputs >= FNN_LANES || f->elements * f->outputs > FN(FLAT_SUMS))
        return 0;
    while (n < s->pixels && s->at[n] == s->at[0] + n)
        n++;
    f->columns = n;
    f->pitch = n < s->pixels ? s->at[n] - s->at[0] : n;
    if (n < FNN_LANES || f->pitch < n || 3 * f->pitch > 4 * n)
        return 0;
    f->reach = s->run_at[s->runs - 1] + s->run - 1;
    most = FN(FLAT_PLACES) / f->outputs;
    if (most > FN(FLAT_IMAGE) - f->reach)
        most = FN(FLAT_IMAGE) - f->reach;
    most = most / FNN_LANES * FNN_LANES - n;
    if (most < 0)
        return 0;
    most = most / f->pitch + 1;
    while (rows * n < s->pixels && s->at[rows * n] == s->at[0] + rows * f->pitch)
        rows++;
    stretches = (rows + most - 1) / most; /* of an image, as long as each other */
    f->rows = (rows + stretches - 1) / stretches;
    return 1;
}

/* sums + the products of some places of the planes and of the image, WIDTH of every FNN_LANES. */
FNN_ELEMENT void FN(flat_tile)(const REAL *planes, ptrdiff_t apart, const REAL *const *x, ptrdiff_t places, REAL *sums)
{
    FN(vector) sum[FN(FLAT_OUTPUTS)][FN(FLAT_ELEMENTS)];
    UNROLLED_EACH(8, o, FN(FLAT_OUTPUTS))
        UNROLLED_EACH(8, k, FN(FLAT_ELEMENTS))
            sum[o][k] = VECTOR(sums + (o * FN(FLAT_ELEMENTS) + k) * FNN_LANES);
    for (ptrdiff_t i = 0; i < places; i += FNN_LANES) {
        FN(vector) gradient[FN(FLAT_OUTPUTS)];
        UNROLLED_EACH(8, o, FN(FLAT_OUTPUTS))
            gradient[o] = VECTOR(planes + o * apart + i);
        UNROLLED_EACH(8, k, FN(FLAT_ELEMENTS)) {
            const FN(vector) element = VECTOR(x[k] + i);
            UNROLLED_EACH(8, o, FN(FLAT_OUTPUTS))
                ADD_PRODUCT(sum[o][k], gradient[o], element);
        }
    }
    UNROLLED_EACH(8, o, FN(FLAT_OUTPUTS))
        UNROLLED_EACH(8, k, FN(FLAT_ELEMENTS))
            *(FN(vector) *)(sums + (o * FN(FLAT_ELEMENTS) + k) * FNN_LANES) = sum[o][k];
}

/* The gradients of a row in their planes, which are ``plane`` apart. */
static void FN(into_planes)(const fnn_windows *s, ptrdiff_t columns, const REAL *dy, ptrdiff_t plane, REAL *planes)
{
    const ptrdiff_t O = s->outputs, apart = s->to[1] - s->to[0];
    for (ptrdiff_t c = 0; c < columns; c += FN(WIDTH)) { /* the last may be some of those before, of pixels and of outputs */
        const ptrdiff_t at = c < columns - FN(WIDTH) ? c : columns - FN(WIDTH);
        const REAL *row = dy + at * apart;
        for (ptrdiff_t o = 0; o < O && O >= FN(QUAD); o += FN(QUAD)) {
            const ptrdiff_t first = o < O - FN(QUAD) ? o : O - FN(QUAD);
            FN(vector) t[FN(QUAD)];
            FN(turn_block)(row + first, apart, t);
            UNROLLED_EACH(4, j, FN(QUAD))
                *(FN(vector) *)(planes + (first + j) * plane + at) = t[j];
        }
        for (ptrdiff_t o = 0; o < O && O < FN(QUAD); o++)
            for (ptrdiff_t lane = 0; lane < FN(WIDTH); lane++)
                planes[o * plane + at + lane] = row[lane * apart + o];
    }
}

/* Gradients of weights first .. last. */
static void FN(run_flat)(const FN(window) *q, const FN(flat) *f, ptrdiff_t first, ptrdiff_t last)
{
    enum { TILE = FN(FLAT_OUTPUTS) * FN(FLAT_ELEMENTS) * FNN_LANES };
    const fnn_windows *s = q->s;
    const ptrdiff_t O = f->outputs, K = FN(whole)(last - first, FN(FLAT_ELEMENTS)), columns = f->columns, pitch = f->pitch;
    const ptrdiff_t plane = FN(whole)((f->rows - 1) * pitch + columns, FNN_LANES);
    REAL sums[FN(FLAT_SUMS) * FNN_LANES], planes[FN(FLAT_PLACES)], image[FN(FLAT_IMAGE)] __attribute__((aligned(64)));
    const REAL *element[FN(FLAT_SUMS)];
    for (ptrdiff_t k = 0; k < K; k++) { /* beyond the last: the last again, for nobody */
        const ptrdiff_t weight = first + k < last ? first + k : last - 1;
        element[k] = image + s->run_at[weight / s->run] + weight % s->run;
    }
    memset(sums, 0, (size_t)(K * O * FNN_LANES) * sizeof *sums);
    memset(planes, 0, (size_t)(O * plane) * sizeof *planes);
    memset(image, 0, sizeof image);
    for (ptrdiff_t p = 0, rows, before = 0; p < s->pixels; p += rows * columns, before = rows) {
        const REAL *x = q->x + s->at[p];
        REAL *sum = sums;
        for (rows = 1; rows < f->rows && p + rows * columns < s->pixels; rows++)
            if (s->at[p + rows * columns] != s->at[p] + rows * pitch)
                break;
        if (rows < before)
            memset(planes, 0, (size_t)(O * plane) * sizeof *planes);
        memcpy(image, x, (size_t)((rows - 1) * pitch + columns + f->reach) * sizeof *image);
        for (ptrdiff_t row = 0; row < rows; row++)
            FN(into_planes)(s, columns, q->w + s->to[p + row * columns], plane, planes + row * pitch);
        for (ptrdiff_t k = 0; k < K; k += FN(FLAT_ELEMENTS))
            for (ptrdiff_t o = 0; o < O; o += FN(FLAT_OUTPUTS), sum += TILE)
                for (ptrdiff_t lane = 0; lane < FNN_LANES; lane += FN(WIDTH)) {
                    const REAL *x_at[FN(FLAT_ELEMENTS)];
                    UNROLLED_EACH(8, j, FN(FLAT_ELEMENTS))
                        x_at[j] = element[k + j] + lane;
                    FN(flat_tile)(planes + o * plane + lane, plane, x_at, (rows - 1) * pitch + columns - lane, sum + lane);
                }
    }
    for (ptrdiff_t k = 0; k < last - first; k++)
        for (ptrdiff_t o = 0; o < s->outputs; o++) {
            const ptrdiff_t tile = k / FN(FLAT_ELEMENTS) * (O / FN(FLAT_OUTPUTS)) + o / FN(FLAT_OUTPUTS);
            REAL *lane = sums + tile * TILE + (o % FN(FLAT_OUTPUTS) * FN(FLAT_ELEMENTS) + k % FN(FLAT_ELEMENTS)) * FNN_LANES;
            REAL *dw = q->y + (first + k) * s->w_row + o;
            for (int width = FNN_LANES / 2; width > 0; width /= 2)
                for (int l = 0; l < width; l++)
                    lane[l] += lane[l + width];
            *dw = FMA(q->end.scale, *lane, *dw);
        }
}

#undef VECTOR
#endif
