/* All kernels of one dtype and one instruction set: every template, and the table of what they define. */
#if defined(__GNUC__) && !defined(__clang__)
/* A kernel has the signature of its family and may need less of it. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
/* Vectors are passed between inlined functions only, so how a call would pass them does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"
#else
#pragma clang diagnostic ignored "-Wunused-parameter"
#endif

#include "fnn_philox.h"
#include "fnn_real.h"
#include "fnn_store.h"
#include "fnn_turn.h"

#include "fnn_math.tmpl.h"
#include "fnn_reduce.tmpl.h"

#include "fnn_activation.tmpl.h"
#include "fnn_tile.tmpl.h"
#include "fnn_narrow.tmpl.h"
#include "fnn_row.tmpl.h"
#include "fnn_product.tmpl.h"
#include "fnn_loss.tmpl.h"
#include "fnn_optimizer.tmpl.h"
#include "fnn_vector.tmpl.h"
#include "fnn_norm.tmpl.h"
#include "fnn_dropout.tmpl.h"
#include "fnn_recurrent.tmpl.h"
#include "fnn_probe.tmpl.h"

#define FNN_QUOTE_(word) #word
#define FNN_QUOTE(word) FNN_QUOTE_(word)

extern const fnn_kernels FN(fnn_kernels);
const fnn_kernels FN(fnn_kernels) = {
    .isa = FNN_QUOTE(FNN_ISA),
    .itemsize = sizeof(REAL),
    .has_fma = FNN_FMA,
#define FNN_ACTIVATION(NAME, name, reads) \
    .activation_forward[FNN_##NAME] = FN(fnn_##name##_forward), \
    .activation_backward[FNN_##NAME] = FN(fnn_##name##_backward),
#define FNN_LOSS(NAME, name, kind) .loss[FNN_##NAME] = FN(fnn_##name##_loss),
#define FNN_OPTIMIZER(NAME, name, states) .update[FNN_##NAME] = FN(fnn_##name##_update),
#include "fnn_families.def"
    .softmax_forward = FN(fnn_softmax_forward),
    .softmax_backward = FN(fnn_softmax_backward),
    .log_sum_exp = FN(fnn_log_sum_exp),
    .products = {1, FN(fnn_product_forward), FN(fnn_product_input_gradient), FN(fnn_product_weight_gradient),
                 FN(fnn_product_row_gradients)},
    .add_row_sum = FN(fnn_add_row_sum),
    .add = FN(fnn_add),
    .add_scaled = FN(fnn_add_scaled),
    .scale = FN(fnn_scale),
    .clip = FN(fnn_clip),
    .sum = FN(fnn_sum),
    .sum_squares = FN(fnn_sum_squares),
    .all_finite = FN(fnn_all_finite),
    .add_penalty = FN(fnn_add_penalty),
    .limit_columns = FN(fnn_limit_columns),
    .column_moments = FN(fnn_column_moments),
    .batch_norm_forward = FN(fnn_batch_norm_forward),
    .batch_norm_backward = FN(fnn_batch_norm_backward),
    .layer_norm_forward = FN(fnn_layer_norm_forward),
    .layer_norm_backward = FN(fnn_layer_norm_backward),
    .dropout_forward = FN(fnn_dropout_forward),
    .dropout_backward = FN(fnn_dropout_backward),
    .add_masked = FN(fnn_add_masked),
    .lstm_forward = FN(fnn_lstm_forward),
    .lstm_backward = FN(fnn_lstm_backward),
    .add_products = FN(fnn_add_products),
    .gru_forward = FN(fnn_gru_forward),
    .gru_backward = FN(fnn_gru_backward),
    .probe_multiply_add = FN(fnn_probe_multiply_add),
    .probe_read = FN(fnn_probe_read),
};
