/* Memory that will be wanted soon, fetched while other work goes on. */
#ifndef FNN_AHEAD_H
#define FNN_AHEAD_H

/* Rows of so many cache lines. */
typedef struct fnn_ahead {
    const char *row;
    ptrdiff_t step;        /* bytes from row to row */
    ptrdiff_t rows, lines; /* that are left; of a row */
    ptrdiff_t share;       /* rows to fetch for each unit of the other work, in sixteenths */
    ptrdiff_t due;
} fnn_ahead;

/* Fetch what is due for so many units of work: into the second cache, the first one is full. */
static inline void fnn_fetch(fnn_ahead *ahead, ptrdiff_t units)
{
    if (ahead->rows == 0)
        return;
    for (ahead->due += units * ahead->share; ahead->due > 0 && ahead->rows > 0; ahead->due -= 16, ahead->rows--) {
        for (ptrdiff_t line = 0; line < ahead->lines; line++)
            __builtin_prefetch(ahead->row + 64 * line, 0, 2);
        ahead->row += ahead->step;
    }
}

/* Fetch at most so many cache lines of two stretches. */
static inline void fnn_fetch_lines(fnn_stretch *stretches, ptrdiff_t lines)
{
    fnn_stretch *stretch = stretches + (stretches->bytes <= 0);
    const char *at = stretch->at;
    for (; lines > 0 && stretch->bytes > 0; lines--, at += 64, stretch->bytes -= 64)
        __builtin_prefetch(at, 0, 2);
    stretch->at = at;
}

#endif
