#define FNN_BITS 32
#include "fnn_avx512.h"
