#include "fnn_quantized.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "fnn_dispatch.h"

extern const fnn_quantized fnn_quantized_float_base;
#if defined(__x86_64__)
extern const fnn_quantized fnn_quantized_float_avx2, fnn_quantized_float_avx512, fnn_quantized_float_avx512_vnni;
#endif
#if defined(FNN_HAS_AVX_VNNI)
extern const fnn_quantized fnn_quantized_float_avx2_vnni;
#endif

typedef struct choice {
    const fnn_quantized *table;
    int (*supported)(void); /* by a processor that supports its instruction set */
} choice;

static int always(void)
{
    return 1;
}

#if defined(__x86_64__)
static int has_avx512_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1);
}
#endif

#if defined(FNN_HAS_AVX_VNNI)
static int has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif

static const choice CHOICES[] = { /* fastest first */
#if defined(__x86_64__)
    {&fnn_quantized_float_avx512_vnni, has_avx512_vnni},
    {&fnn_quantized_float_avx512, always},
#endif
#if defined(FNN_HAS_AVX_VNNI)
    {&fnn_quantized_float_avx2_vnni, has_avx_vnni},
#endif
#if defined(__x86_64__)
    {&fnn_quantized_float_avx2, always},
#endif
    {&fnn_quantized_float_base, always},
};

const fnn_quantized *fnn_quantized_table(const char *isa, const char *name)
{
    for (size_t k = 0; k < sizeof CHOICES / sizeof *CHOICES; k++) {
        const fnn_quantized *table = CHOICES[k].table;
        if ((isa == NULL || strcmp(isa, table->isa) == 0) && (name == NULL || strcmp(name, table->name) == 0) &&
            fnn_kernel_table(sizeof(float), table->isa) != NULL && CHOICES[k].supported())
            return table;
    }
    return NULL;
}
