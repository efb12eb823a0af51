/* Blocks of a matrix turned over in registers. */

/* Turn over the pieces of QUAD vectors: element j of piece g of x[i] becomes element i of piece g of t[j]. */
FNN_ELEMENT void FN(turn_pieces)(const fnn_vector_64 x[FN(QUAD)], FN(vector) t[FN(QUAD)])
{
#if FNN_BITS == 32
    const fnn_vector_64 low = FNN_INTERLEAVE(32, LOW, x[0], x[1]), low2 = FNN_INTERLEAVE(32, LOW, x[2], x[3]);
    const fnn_vector_64 high = FNN_INTERLEAVE(32, HIGH, x[0], x[1]), high2 = FNN_INTERLEAVE(32, HIGH, x[2], x[3]);
    t[0] = (FN(vector))FNN_INTERLEAVE(64, LOW, low, low2);
    t[1] = (FN(vector))FNN_INTERLEAVE(64, HIGH, low, low2);
    t[2] = (FN(vector))FNN_INTERLEAVE(64, LOW, high, high2);
    t[3] = (FN(vector))FNN_INTERLEAVE(64, HIGH, high, high2);
#else
    t[0] = (FN(vector))FNN_INTERLEAVE(64, LOW, x[0], x[1]);
    t[1] = (FN(vector))FNN_INTERLEAVE(64, HIGH, x[0], x[1]);
#endif
}

/* t[j][l] = w[l * row + j], for WIDTH rows l and QUAD columns j of w. */
FNN_ELEMENT void FN(turn_block)(const REAL *w, ptrdiff_t row, FN(vector) t[FN(QUAD)])
{
    fnn_vector_64 x[FN(QUAD)];
    const ptrdiff_t step = FN(QUAD) * row * (ptrdiff_t)sizeof(REAL);
    UNROLLED_EACH(4, r, FN(QUAD))
        x[r] = fnn_gather_pieces((const char *)(w + r * row), step);
    FN(turn_pieces)(x, t);
}
