#define FNN_BITS 32
#include "fnn_base.h"
