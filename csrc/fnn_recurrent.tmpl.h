/* Cells of recurrent layers: what one time step does after the products.  Row b of z holds the gates one after the other. */

/* A gate that sees the cell through its peephole.  One function to a loop: more would not fit into the registers. */
static void FN(sigmoid_gate)(ptrdiff_t H, const REAL *peephole, const REAL *c, REAL *z)
{
    EACH(n, H)
        z[n] = FN(logistic)(FMA(peephole[n], c[n], z[n]));
}

static void FN(tanh_gate)(ptrdiff_t H, const REAL *z, REAL *a)
{
    EACH(n, H)
        a[n] = FN(tanh)(z[n]);
}

/* Without a forget gate the cell forgets nothing: f = 1. */
static void FN(fnn_lstm_forward)(ptrdiff_t B, ptrdiff_t H, int forgets, const fnn_real *peephole,
                                 const fnn_real *c_before, fnn_real *z, fnn_real *c, fnn_real *s, fnn_real *h)
{
    const REAL *p = peephole;
    for (ptrdiff_t b = 0; b < B; b++) {
        REAL *i = (REAL *)z + b * (3 + forgets) * H, *f = i + H, *g = i + (1 + forgets) * H, *o = g + H;
        const REAL *before = (const REAL *)c_before + b * H;
        REAL *cell = (REAL *)c + b * H, *squashed = (REAL *)s + b * H, *state = (REAL *)h + b * H;
        FN(sigmoid_gate)(H, p, before, i);
        FN(tanh_gate)(H, g, g);
        if (forgets) {
            FN(sigmoid_gate)(H, p + H, before, f);
            EACH(n, H)
                cell[n] = FMA(i[n], g[n], f[n] * before[n]);
        } else {
            EACH(n, H)
                cell[n] = FMA(i[n], g[n], before[n]);
        }
        FN(tanh_gate)(H, cell, squashed);
        FN(sigmoid_gate)(H, p + (1 + forgets) * H, cell, o);
        EACH(n, H)
            state[n] = o[n] * squashed[n];
    }
}

FNN_ELEMENT void FN(lstm_row_backward)(ptrdiff_t H, const int forgets, const REAL *a, const REAL *peephole,
                                       const REAL *c_before, const REAL *s, const REAL *dh, REAL *dc, REAL *dz)
{
    const REAL *gate_i = a, *gate_f = a + H, *gate_g = a + (1 + forgets) * H, *gate_o = a + (2 + forgets) * H;
    const REAL *p_i = peephole, *p_f = peephole + H, *p_o = peephole + (1 + forgets) * H;
    REAL *dz_i = dz, *dz_f = dz + H, *dz_g = dz + (1 + forgets) * H, *dz_o = dz + (2 + forgets) * H;
    EACH(n, H) {
        const REAL i = gate_i[n], g = gate_g[n], o = gate_o[n];
        const REAL output = dh[n] * s[n] * (o * (1 - o));
        const REAL cell = FMA(output, p_o[n], FMA(dh[n] * o, (1 - s[n]) * (1 + s[n]), dc[n]));
        const REAL input = cell * g * (i * (1 - i));
        REAL before = FMA(input, p_i[n], cell);
        if (forgets) {
            const REAL f = gate_f[n];
            const REAL forget = cell * c_before[n] * (f * (1 - f));
            before = FMA(forget, p_f[n], FMA(input, p_i[n], cell * f));
            dz_f[n] = forget;
        }
        dz_i[n] = input;
        dz_g[n] = cell * i * ((1 - g) * (1 + g));
        dz_o[n] = output;
        dc[n] = before;
    }
}

static void FN(fnn_lstm_backward)(ptrdiff_t B, ptrdiff_t H, int forgets, const fnn_real *peephole, const fnn_real *a,
                                  const fnn_real *c_before, const fnn_real *s, const fnn_real *dh, fnn_real *dc,
                                  fnn_real *dz)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        const ptrdiff_t row = b * (3 + forgets) * H;
        const REAL *before = (const REAL *)c_before + b * H, *squashed = (const REAL *)s + b * H;
        if (forgets)
            FN(lstm_row_backward)(H, 1, (const REAL *)a + row, peephole, before, squashed, (const REAL *)dh + b * H,
                                  (REAL *)dc + b * H, (REAL *)dz + row);
        else
            FN(lstm_row_backward)(H, 0, (const REAL *)a + row, peephole, before, squashed, (const REAL *)dh + b * H,
                                  (REAL *)dc + b * H, (REAL *)dz + row);
    }
}

static void FN(fnn_add_products)(ptrdiff_t B, ptrdiff_t N, double scale, const fnn_real *x, ptrdiff_t x_row,
                                 const fnn_real *y, fnn_real *out)
{
    const REAL factor = (REAL)scale;
    REAL *sum = out;
    for (ptrdiff_t b = 0; b < B; b++) {
        const REAL *left = (const REAL *)x + b * x_row, *right = (const REAL *)y + b * N;
        for (ptrdiff_t n = 0; n < N; n++)
            sum[n] = FMA(factor * left[n], right[n], sum[n]);
    }
}

static void FN(fnn_gru_forward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *q, const fnn_real *h_before, fnn_real *z,
                                fnn_real *h)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        REAL *gate_r = (REAL *)z + b * 3 * H, *gate_u = gate_r + H, *gate_n = gate_u + H;
        const REAL *recurrent = (const REAL *)q + b * H, *before = (const REAL *)h_before + b * H;
        REAL *state = (REAL *)h + b * H;
        EACH(n, 2 * H)
            gate_r[n] = FN(logistic)(gate_r[n]); /* and, right behind it, the update gate */
        EACH(n, H) {
            gate_n[n] = FN(tanh)(FMA(gate_r[n], recurrent[n], gate_n[n]));
            state[n] = FMA(gate_u[n], before[n] - gate_n[n], gate_n[n]);
        }
    }
}

static void FN(fnn_gru_backward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *a, const fnn_real *q,
                                 const fnn_real *h_before, const fnn_real *dh, fnn_real *dz, fnn_real *dq,
                                 fnn_real *dh_before)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        const REAL *gate_r = (const REAL *)a + b * 3 * H, *gate_u = gate_r + H, *gate_n = gate_u + H;
        const REAL *recurrent = (const REAL *)q + b * H, *before = (const REAL *)h_before + b * H;
        const REAL *d = (const REAL *)dh + b * H;
        REAL *dz_r = (REAL *)dz + b * 3 * H, *dz_u = dz_r + H, *dz_n = dz_u + H;
        REAL *d_recurrent = (REAL *)dq + b * H, *d_before = (REAL *)dh_before + b * H;
        EACH(n, H) {
            const REAL r = gate_r[n], u = gate_u[n], candidate = gate_n[n], state = d[n];
            const REAL slope = state * (1 - u) * ((1 - candidate) * (1 + candidate));
            dz_r[n] = slope * recurrent[n] * (r * (1 - r));
            dz_u[n] = state * (before[n] - candidate) * (u * (1 - u));
            dz_n[n] = slope;
            d_recurrent[n] = slope * r;
            d_before[n] = state * u;
        }
    }
}

/* The reset before the product, in two halves: the gates and what of the state the candidate sees; then the candidate. */
static void FN(fnn_gru_reset)(ptrdiff_t B, ptrdiff_t H, const fnn_real *h_before, fnn_real *z, fnn_real *s)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        REAL *gate_r = (REAL *)z + b * 3 * H, *seen = (REAL *)s + b * H;
        const REAL *before = (const REAL *)h_before + b * H;
        EACH(n, 2 * H)
            gate_r[n] = FN(logistic)(gate_r[n]); /* and, right behind it, the update gate */
        EACH(n, H)
            seen[n] = gate_r[n] * before[n];
    }
}

static void FN(fnn_gru_update)(ptrdiff_t B, ptrdiff_t H, const fnn_real *h_before, fnn_real *z, fnn_real *h)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        REAL *gate_u = (REAL *)z + (3 * b + 1) * H, *gate_n = gate_u + H, *state = (REAL *)h + b * H;
        const REAL *before = (const REAL *)h_before + b * H;
        EACH(n, H) {
            gate_n[n] = FN(tanh)(gate_n[n]);
            state[n] = FMA(gate_u[n], before[n] - gate_n[n], gate_n[n]);
        }
    }
}

static void FN(fnn_gru_update_backward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *a, const fnn_real *h_before,
                                        const fnn_real *dh, fnn_real *dz, fnn_real *dh_before)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        const REAL *gate_u = (const REAL *)a + (3 * b + 1) * H, *gate_n = gate_u + H;
        const REAL *before = (const REAL *)h_before + b * H, *d = (const REAL *)dh + b * H;
        REAL *dz_u = (REAL *)dz + (3 * b + 1) * H, *dz_n = dz_u + H, *d_before = (REAL *)dh_before + b * H;
        EACH(n, H) {
            const REAL u = gate_u[n], candidate = gate_n[n], state = d[n];
            dz_u[n] = state * (before[n] - candidate) * (u * (1 - u));
            dz_n[n] = state * (1 - u) * ((1 - candidate) * (1 + candidate));
            d_before[n] = state * u;
        }
    }
}

static void FN(fnn_gru_reset_backward)(ptrdiff_t B, ptrdiff_t H, const fnn_real *a, const fnn_real *h_before,
                                       const fnn_real *ds, fnn_real *dz, fnn_real *dh_before)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        const REAL *gate_r = (const REAL *)a + b * 3 * H;
        const REAL *before = (const REAL *)h_before + b * H, *d = (const REAL *)ds + b * H;
        REAL *dz_r = (REAL *)dz + b * 3 * H, *d_before = (REAL *)dh_before + b * H;
        EACH(n, H) {
            const REAL r = gate_r[n];
            dz_r[n] = d[n] * before[n] * (r * (1 - r));
            d_before[n] = FMA(d[n], r, d_before[n]);
        }
    }
}
