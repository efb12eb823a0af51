/* Optimisers: <name>_rule is written for one weight, one driver runs it over the vectors. */

typedef struct FN(rate) {
    REAL h, beta1, beta2, rest1, rest2, epsilon, h_corrected, inverse2;
} FN(rate);

typedef struct FN(weight) {
    REAL w, s0, s1, s2;
} FN(weight);

/* states is a constant at each call, so that the state vectors a rule does not keep are never touched. */
FNN_ELEMENT void FN(each_weight)(ptrdiff_t N, const fnn_update *u, int states, const REAL *g, REAL *w, REAL *s0,
                                 REAL *s1, REAL *s2,
                                 FN(weight) (*rule)(const FN(rate) *r, REAL g, FN(weight) p))
{
    const FN(rate) rate = {
        .h = (REAL)u->learning_rate,
        .beta1 = (REAL)u->beta1,
        .beta2 = (REAL)u->beta2,
        .rest1 = (REAL)(1 - u->beta1),
        .rest2 = (REAL)(1 - u->beta2),
        .epsilon = (REAL)u->epsilon,
        .h_corrected = (REAL)(u->learning_rate / u->correction1),
        .inverse2 = (REAL)(1 / u->correction2),
    };
    EACH(n, N) {
        FN(weight) p = {w[n], states > 0 ? s0[n] : 0, states > 1 ? s1[n] : 0, states > 2 ? s2[n] : 0};
        p = rule(&rate, g[n], p);
        w[n] = p.w;
        if (states > 0)
            s0[n] = p.s0;
        if (states > 1)
            s1[n] = p.s1;
        if (states > 2)
            s2[n] = p.s2;
    }
}

FNN_ELEMENT FN(weight) FN(sgd_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.w = FMA(-r->h, g, p.w);
    return p;
}

FNN_ELEMENT FN(weight) FN(momentum_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(r->beta1, p.s0, -(r->h * g));
    p.w += p.s0;
    return p;
}

FNN_ELEMENT FN(weight) FN(nesterov_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(r->beta1, p.s0, -(r->h * g));
    p.w += FMA(r->beta1, p.s0, -(r->h * g));
    return p;
}

FNN_ELEMENT FN(weight) FN(adagrad_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(g, g, p.s0);
    p.w -= r->h * g / (SQRT(p.s0) + r->epsilon);
    return p;
}

FNN_ELEMENT FN(weight) FN(rmsprop_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(r->beta2, p.s0, r->rest2 * g * g);
    p.w -= r->h * g / (SQRT(p.s0) + r->epsilon);
    return p;
}

FNN_ELEMENT FN(weight) FN(adadelta_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(r->beta2, p.s0, r->rest2 * g * g);
    const REAL d = g * SQRT((p.s1 + r->epsilon) / (p.s0 + r->epsilon));
    p.s1 = FMA(r->beta2, p.s1, r->rest2 * d * d);
    p.w = FMA(-r->h, d, p.w);
    return p;
}

/* The bias correction of the first moment is folded into the rate, that of the second into one product. */
FNN_ELEMENT FN(weight) FN(adam_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(r->beta1, p.s0, r->rest1 * g);
    p.s1 = FMA(r->beta2, p.s1, r->rest2 * g * g);
    p.w -= r->h_corrected * p.s0 / (SQRT(p.s1 * r->inverse2) + r->epsilon);
    return p;
}

FNN_ELEMENT FN(weight) FN(amsgrad_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = FMA(r->beta1, p.s0, r->rest1 * g);
    p.s1 = FMA(r->beta2, p.s1, r->rest2 * g * g);
    p.s2 = p.s1 <= p.s2 ? p.s2 : p.s1;
    p.w -= r->h_corrected * p.s0 / (SQRT(p.s2 * r->inverse2) + r->epsilon);
    return p;
}

#define FNN_OPTIMIZER(NAME, name, states) \
    static void FN(fnn_##name##_update)(ptrdiff_t N, const fnn_update *u, const fnn_real *g, fnn_real *w, fnn_real *s0, \
                                        fnn_real *s1, fnn_real *s2) \
    { \
        FN(each_weight)(N, u, states, g, w, s0, s1, s2, FN(name##_rule)); \
    }
#include "fnn_families.def"
