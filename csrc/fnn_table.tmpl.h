/* All kernels of one dtype and one instruction set: every template, and the table of what they define. */
#if defined(__GNUC__) && !defined(__clang__)
/* A kernel has the signature of its family and may need less of it. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
/* Vectors are passed between inlined functions only, so how a call would pass them does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"
#else
#pragma clang diagnostic ignored "-Wunused-parameter"
#endif

#include "fnn_ahead.h"
#include "fnn_philox.h"
#include "fnn_real.h"
#include "fnn_store.h"
#include "fnn_turn.h"

#include "fnn_math.tmpl.h"
#include "fnn_tail.tmpl.h"
#include "fnn_reduce.tmpl.h"

#include "fnn_activation.tmpl.h"
#if defined(FNN_TILE_UNSCHEDULED) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("no-schedule-insns")
#include "fnn_tile.tmpl.h"
#pragma GCC pop_options
#else
#include "fnn_tile.tmpl.h"
#endif
#include "fnn_turn.tmpl.h"
#include "fnn_panel.tmpl.h"
#include "fnn_short.tmpl.h"
#include "fnn_softmax.tmpl.h"
#include "fnn_narrow.tmpl.h"
#include "fnn_row.tmpl.h"
#include "fnn_product.tmpl.h"
#if defined(FNN_TILE_UNSCHEDULED) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("no-schedule-insns")
#include "fnn_window.tmpl.h"
#include "fnn_window_flat.tmpl.h"
#include "fnn_window_sweep.tmpl.h"
#include "fnn_window_turned.tmpl.h"
#include "fnn_scatter.tmpl.h"
#include "fnn_depthwise.tmpl.h"
#pragma GCC pop_options
#else
#include "fnn_window.tmpl.h"
#include "fnn_window_flat.tmpl.h"
#include "fnn_window_sweep.tmpl.h"
#include "fnn_window_turned.tmpl.h"
#include "fnn_scatter.tmpl.h"
#include "fnn_depthwise.tmpl.h"
#endif
#include "fnn_winograd.tmpl.h"
#include "fnn_pooling.tmpl.h"
#include "fnn_permute.tmpl.h"
#include "fnn_upsample.tmpl.h"
#include "fnn_loss_row.tmpl.h"
#include "fnn_loss.tmpl.h"
#include "fnn_optimizer.tmpl.h"
#include "fnn_vector.tmpl.h"
#include "fnn_columns.tmpl.h"
#include "fnn_norm.tmpl.h"
#include "fnn_local_response.tmpl.h"
#include "fnn_dropout.tmpl.h"
#include "fnn_noise.tmpl.h"
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
#define KERNEL(name) .name = FN(fnn_##name)
    KERNEL(softmax_forward), KERNEL(softmax_backward), KERNEL(log_sum_exp),
    KERNEL(log_softmax_forward), KERNEL(log_softmax_backward),
    .products = {1, FN(fnn_product_forward), FN(fnn_product_input_gradient), FN(fnn_product_weight_gradient),
                 FN(fnn_product_row_gradients)},
    KERNEL(add_row_sum),
    KERNEL(add), KERNEL(multiply), KERNEL(column_maxima), KERNEL(column_maxima_backward), KERNEL(add_scaled), KERNEL(scale), KERNEL(clip), KERNEL(sum), KERNEL(sum_squares),
    KERNEL(all_finite), KERNEL(add_penalty), KERNEL(limit_columns),
    KERNEL(column_moments), KERNEL(join_moments), KERNEL(group_moments), KERNEL(inverse_deviations), KERNEL(map_columns),
    KERNEL(column_slopes), KERNEL(join_slopes), KERNEL(norm_levels), KERNEL(column_gradient), KERNEL(scale_slopes), KERNEL(add_slopes),
    KERNEL(pixel_norm_forward), KERNEL(pixel_norm_backward),
    KERNEL(layer_norm_forward), KERNEL(layer_norm_backward),
    KERNEL(dropout_forward), KERNEL(dropout_backward), KERNEL(add_noise), KERNEL(add_masked),
    KERNEL(lstm_forward), KERNEL(lstm_backward), KERNEL(add_products), KERNEL(gru_forward), KERNEL(gru_backward),
    KERNEL(window_forward), KERNEL(window_gradient), KERNEL(scatter_size), KERNEL(scatter_turn), KERNEL(scatter),
    KERNEL(depthwise_forward), KERNEL(depthwise_gradient),
    KERNEL(winograd_weights), KERNEL(winograd_input), KERNEL(winograd_output),
    KERNEL(gru_reset), KERNEL(gru_update), KERNEL(gru_update_backward), KERNEL(gru_reset_backward),
    KERNEL(max_pool_forward), KERNEL(max_pool_backward), KERNEL(mean_pool_forward), KERNEL(mean_pool_backward),
    KERNEL(turn_over),
    KERNEL(upsample_nearest_forward), KERNEL(upsample_nearest_backward),
    KERNEL(upsample_bilinear_forward), KERNEL(upsample_bilinear_backward),
    KERNEL(local_response_forward), KERNEL(local_response_backward),
    KERNEL(probe_multiply_add), KERNEL(probe_read),
};
