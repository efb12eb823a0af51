/* Every template for one dtype, and the table of what they define. */
#include "fnn_real.h"

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
    .activation_forward = {
        [FNN_IDENTITY] = FN(fnn_identity_forward),
        [FNN_SIGMOID] = FN(fnn_sigmoid_forward),
        [FNN_TANH] = FN(fnn_tanh_forward),
        [FNN_RELU] = FN(fnn_relu_forward),
        [FNN_LEAKY_RELU] = FN(fnn_leaky_relu_forward),
        [FNN_ELU] = FN(fnn_elu_forward),
        [FNN_SELU] = FN(fnn_selu_forward),
        [FNN_SOFTPLUS] = FN(fnn_softplus_forward),
        [FNN_GELU] = FN(fnn_gelu_forward),
        [FNN_SILU] = FN(fnn_silu_forward),
    },
    .activation_backward = {
        [FNN_IDENTITY] = FN(fnn_identity_backward),
        [FNN_SIGMOID] = FN(fnn_sigmoid_backward),
        [FNN_TANH] = FN(fnn_tanh_backward),
        [FNN_RELU] = FN(fnn_relu_backward),
        [FNN_LEAKY_RELU] = FN(fnn_leaky_relu_backward),
        [FNN_ELU] = FN(fnn_elu_backward),
        [FNN_SELU] = FN(fnn_selu_backward),
        [FNN_SOFTPLUS] = FN(fnn_softplus_backward),
        [FNN_GELU] = FN(fnn_gelu_backward),
        [FNN_SILU] = FN(fnn_silu_backward),
    },
    .softmax_forward = FN(fnn_softmax_forward),
    .softmax_backward = FN(fnn_softmax_backward),
    .log_sum_exp = FN(fnn_log_sum_exp),
    .product_forward = FN(fnn_product_forward),
    .product_input_gradient = FN(fnn_product_input_gradient),
    .product_weight_gradient = FN(fnn_product_weight_gradient),
    .product_row_gradients = FN(fnn_product_row_gradients),
    .loss = {
        [FNN_SQUARED_ERROR] = FN(fnn_squared_error_loss),
        [FNN_DISTANCE] = FN(fnn_distance_loss),
        [FNN_ABSOLUTE_ERROR] = FN(fnn_absolute_error_loss),
        [FNN_HUBER] = FN(fnn_huber_loss),
        [FNN_QUANTILE] = FN(fnn_quantile_loss),
        [FNN_LOG_COSH] = FN(fnn_log_cosh_loss),
        [FNN_POISSON] = FN(fnn_poisson_loss),
        [FNN_CROSS_ENTROPY] = FN(fnn_cross_entropy_loss),
        [FNN_CROSS_ENTROPY_LABELS] = FN(fnn_cross_entropy_labels_loss),
        [FNN_BINARY_CROSS_ENTROPY] = FN(fnn_binary_cross_entropy_loss),
        [FNN_HINGE] = FN(fnn_hinge_loss),
        [FNN_HINGE_LABELS] = FN(fnn_hinge_labels_loss),
    },
    .update = {
        [FNN_SGD] = FN(fnn_sgd_update),
        [FNN_MOMENTUM] = FN(fnn_momentum_update),
        [FNN_NESTEROV] = FN(fnn_nesterov_update),
        [FNN_ADAGRAD] = FN(fnn_adagrad_update),
        [FNN_RMSPROP] = FN(fnn_rmsprop_update),
        [FNN_ADADELTA] = FN(fnn_adadelta_update),
        [FNN_ADAM] = FN(fnn_adam_update),
        [FNN_AMSGRAD] = FN(fnn_amsgrad_update),
    },
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

#undef FNN_QUOTE
#undef FNN_QUOTE_
