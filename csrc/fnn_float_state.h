/* What the floating-point unit of this thread has met since it was last told to forget: an overflow, a division by zero, an
 * operation without a result.  Finite numbers become infinite or NaN by these alone, so where none was met nothing that was
 * computed from finite numbers need be looked at. */
#ifndef FNN_FLOAT_STATE_H
#define FNN_FLOAT_STATE_H

#if defined(__x86_64__)
#define FNN_MET 0x0du /* invalid, division by zero, overflow */
static inline unsigned fnn_float_state(void)
{
    return __builtin_ia32_stmxcsr();
}
static inline void fnn_set_float_state(unsigned state)
{
    __builtin_ia32_ldmxcsr(state);
}
#elif defined(__aarch64__)
#define FNN_MET 0x07u
static inline unsigned fnn_float_state(void)
{
    unsigned long state;
    __asm__ volatile("mrs %0, fpsr" : "=r"(state));
    return (unsigned)state;
}
static inline void fnn_set_float_state(unsigned state)
{
    const unsigned long all = state;
    __asm__ volatile("msr fpsr, %0" : : "r"(all));
}
#else /* unknown: as if it had always met something */
#define FNN_MET 1u
static inline unsigned fnn_float_state(void)
{
    return FNN_MET;
}
static inline void fnn_set_float_state(unsigned state)
{
    (void)state;
}
#endif

/* Forget what was met; returns it, for fnn_float_meets. */
static inline unsigned fnn_float_forget(void)
{
    const unsigned state = fnn_float_state();
    if (state & FNN_MET)
        fnn_set_float_state(state & ~FNN_MET);
    return state & FNN_MET;
}

static inline unsigned fnn_float_met(void)
{
    return fnn_float_state() & FNN_MET;
}

/* As if this thread had met it. */
static inline void fnn_float_meets(unsigned met)
{
    if (met & FNN_MET)
        fnn_set_float_state(fnn_float_state() | (met & FNN_MET));
}

#endif
