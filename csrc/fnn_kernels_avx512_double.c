#define FNN_BITS 64
#include "fnn_avx512.h"
