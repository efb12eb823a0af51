/* The kernels every processor of this architecture can run. */
#include <math.h>
#include <string.h>

#include "fnn_kernels.h"

#define FNN_ISA base
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FNN_FMA 1
#else
#define FNN_FMA 0
#endif

#include "fnn_philox.h"

#include "fnn_kernels.tmpl.h"
