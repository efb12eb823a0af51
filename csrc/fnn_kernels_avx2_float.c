#define FNN_BITS 32
#include "fnn_avx2.h"
