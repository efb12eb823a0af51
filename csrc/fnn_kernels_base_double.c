#define FNN_BITS 64
#include "fnn_base.h"
