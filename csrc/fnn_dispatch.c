#include "fnn_dispatch.h"

#include <string.h>
#if defined(_WIN32) && defined(__x86_64__)
#include <cpuid.h>
#endif

extern const fnn_kernels fnn_kernels_float_base, fnn_kernels_double_base;
#if defined(__x86_64__)
extern const fnn_kernels fnn_kernels_float_avx2, fnn_kernels_double_avx2;
extern const fnn_kernels fnn_kernels_float_avx512, fnn_kernels_double_avx512;
#endif

#define FNN_ACTIVATION(NAME, name, trait) {#name, #trait},
const fnn_row fnn_activation_rows[FNN_ACTIVATIONS] = {
#include "fnn_families.def"
};
#define FNN_LOSS(NAME, name, trait) {#name, #trait},
const fnn_row fnn_loss_rows[FNN_LOSSES] = {
#include "fnn_families.def"
};
#define FNN_OPTIMIZER(NAME, name, trait) {#name, #trait},
const fnn_row fnn_optimizer_rows[FNN_OPTIMIZERS] = {
#include "fnn_families.def"
};

typedef struct choice {
    const fnn_kernels *of_float, *of_double;
    int (*supported)(void);
} choice;

static int always(void)
{
    return 1;
}

/* These ask the operating system too: it must save the wide registers. */
#if defined(__x86_64__) && defined(_WIN32)
/* clang-cl has no library for __builtin_cpu_supports. */
static int has(unsigned registers, unsigned features)
{
    unsigned a, b, c, d, saved, rest;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA))
        return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(rest) : "c"(0));
    return (saved & registers) == registers && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & features) == features;
}

static int has_avx2(void)
{
    return has(0x06, bit_AVX2);
}

static int has_avx512(void)
{
    return has(0xe6, bit_AVX2 | bit_AVX512F | bit_AVX512VL | bit_AVX512BW | bit_AVX512DQ);
}
#elif defined(__x86_64__)
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#endif

static const choice CHOICES[] = { /* best first */
#if defined(__x86_64__)
    {&fnn_kernels_float_avx512, &fnn_kernels_double_avx512, has_avx512},
    {&fnn_kernels_float_avx2, &fnn_kernels_double_avx2, has_avx2},
#endif
    {&fnn_kernels_float_base, &fnn_kernels_double_base, always},
};

const fnn_kernels *fnn_kernel_table(ptrdiff_t itemsize, const char *isa)
{
    if (itemsize != sizeof(float) && itemsize != sizeof(double))
        return NULL;
#if defined(__x86_64__) && !defined(_WIN32)
    __builtin_cpu_init();
#endif
    for (size_t k = 0; k < sizeof CHOICES / sizeof *CHOICES; k++) {
        const fnn_kernels *table = itemsize == sizeof(float) ? CHOICES[k].of_float : CHOICES[k].of_double;
        if ((isa == NULL || strcmp(isa, table->isa) == 0) && CHOICES[k].supported())
            return table;
    }
    return NULL;
}
