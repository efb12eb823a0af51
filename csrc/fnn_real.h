/* REAL and FN for one dtype and one instruction set.
 * Needs FNN_BITS (32 or 64), FNN_ISA (a bare word) and FNN_FMA (1 where a fused multiply-add is one instruction). */
#if !defined(FNN_BITS) || !defined(FNN_ISA) || !defined(FNN_FMA)
#error "define FNN_BITS, FNN_ISA and FNN_FMA before including fnn_real.h"
#endif

#if FNN_BITS == 32
#define REAL float
#define UNSIGNED uint32_t
#define SIGNED int32_t
#define FN_(name, isa) FN__(name, float, isa)
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define FABS(x) __builtin_fabsf(x)
#define COPYSIGN(x, y) __builtin_copysignf(x, y)
#define SQRT(x) __builtin_sqrtf(x)
#define REAL_MANTISSA 23
#define REAL_BIAS 127
#define STORE_FIRST FNN_STORE_FIRST_32
#elif FNN_BITS == 64
#define REAL double
#define UNSIGNED uint64_t
#define SIGNED int64_t
#define FN_(name, isa) FN__(name, double, isa)
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define FABS(x) __builtin_fabs(x)
#define COPYSIGN(x, y) __builtin_copysign(x, y)
#define SQRT(x) __builtin_sqrt(x)
#define REAL_MANTISSA 52
#define REAL_BIAS 1023
#define STORE_FIRST FNN_STORE_FIRST_64
#else
#error "FNN_BITS is 32 or 64"
#endif

/* Of doubles in both: sums, and what becomes of them. */
#define FMA_DOUBLE(a, b, c) __builtin_fma(a, b, c)

#define FN__(name, dtype, isa) name##_##dtype##_##isa
#define FN(name) FN_(name, FNN_ISA)

/* Without the instruction, fma() is a slow call into libm. */
#if !FNN_FMA
#undef FMA
#undef FMA_DOUBLE
#define FMA(a, b, c) ((a) * (b) + (c))
#define FMA_DOUBLE(a, b, c) ((a) * (b) + (c))
#endif

/* A loop over n = 0 .. N - 1 that may work in place (same array, same index); it has no other dependence between
 * iterations. */
#ifdef __clang__
#define EACH(n, N) _Pragma("clang loop vectorize(assume_safety)") for (ptrdiff_t n = 0; n < (N); n++)
#else
#define EACH(n, N) _Pragma("GCC ivdep") for (ptrdiff_t n = 0; n < (N); n++)
#endif

/* The loop below it is to be no loop, if it has at most so many turns.  clang must hear "full": what it unrolls by a
 * number stays a loop until it has vectorised the loop around and placed arrays in memory. */
#define FNN_PRAGMA(words) _Pragma(#words)
#ifdef __clang__
#define UNROLLED(turns) FNN_PRAGMA(clang loop unroll(full))
#else
#define UNROLLED(turns) FNN_PRAGMA(GCC unroll turns)
#endif
#define UNROLLED_EACH(turns, k, K) UNROLLED(turns) for (int k = 0; k < (K); k++)

/* Outputs up to which a dense layer is narrow, and the chains of each of its sums. */
#define FNN_NARROW 16
#define FNN_CHAINS 4
/* Rows of a batch whose part of a weight gradient is summed by itself. */
#define FNN_BATCH_BLOCK 256
/* The blocks of a product: what nearly every processor's caches hold (32 kB, 512 kB) and its pages in reach (64). */
#ifndef FNN_DEPTH
#define FNN_DEPTH 320                /* rows of W in a panel */
#endif
#ifndef FNN_BLOCK_BYTES
#define FNN_BLOCK_BYTES (512 * 1024) /* of A */
#endif
#define FNN_GROUP_BYTES 512          /* of a row of A that is copied */
#define FNN_PAGES 64
#ifndef FNN_COPY_ROWS
#define FNN_COPY_ROWS 64             /* of outputs, for which a panel is always copied */
#endif
#define FNN_NEAR_BYTES (16 * 1024)   /* of a W that needs no copy */
#define FNN_CROWDED_BYTES 1024       /* between rows of W that always need one */
#define FNN_FAR_BYTES (8 << 20)      /* of a W whose next panel is fetched ahead: of a smaller one that hinders */
#define FNN_ROWS_AHEAD 8             /* of W, that a tile which copies fetches ahead */
/* Outputs up to which its rows lie across the lanes. */
#define FNN_FEW 4
/* Outputs up to which a weight gradient of a convolution has elements of its windows in the lanes, if both ways are as long. */
#define FNN_TURNED 32

/* A kernel is a loop around a function of one element; it must be inlined to become vector code. */
#ifndef FNN_ELEMENT
#define FNN_ELEMENT static inline __attribute__((always_inline))
#endif
/* What several kernels do once per block is not inlined: in six copies of every kernel its vector code would be most of
 * the file. */
#ifdef __clang__
#define FNN_SHARED static __attribute__((noinline))
#else
#define FNN_SHARED static __attribute__((noinline, noclone))
#endif
/* Rows of at most so many elements are short: as many as fill a vector are worked on at once. */
#define FNN_SHORT 32
