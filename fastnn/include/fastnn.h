/* fastnn.h: run and train a network of fastnn from C, C++ or Cython, without the GIL.
 *
 * fnn_open makes a handle of a Python Network.  The handle keeps the network alive until fnn_close.  Calls give the bits
 * of the same calls in Python, and several handles and Python may use one network.
 *
 *   fnn_import, fnn_open, fnn_check    hold the GIL
 *   fnn_close                          with or without the GIL, once no call on the handle is running
 *   fnn_predict_*                      from as many threads at once as fnn_open was told; FNN_BUSY to one more
 *   fnn_train_step_*                   one call at a time for each network, whoever makes it; FNN_BUSY to a second
 *   all others                         from any thread, at any time
 *
 * Predicting while another thread trains is safe: an answer is that of the parameters between two updates, at some moment
 * of the call.  It may wait for the update at work to end.
 *
 * Sizes are int32_t.  Rows lie one after the other, each flat: (rows, inputs) and (rows, outputs).  Nothing is allocated
 * and the GIL is not taken, but for: the first training step after fnn_open or compile, and the first of so many rows;
 * copies of the parameters, at most four, for predictions while another thread trains;
 * Custom layers and losses in Python, while they run; networks with these or an Embedding, where a call begins and ends.
 *
 * No layout is part of the interface but that of fnn_api, which only grows at its end: code that was compiled with this
 * header runs with every fastnn of the same FNN_ABI_VERSION that is at least as new.  fnn_import and fnn_open check it.
 */
#ifndef FASTNN_H
#define FASTNN_H

#include <Python.h>
#include <stdint.h>

#ifndef FNN_ABI_VERSION
#define FNN_ABI_VERSION 1
#endif

#define FNN_OWN_RATE (-1.0) /* the constant learning rate that the network was compiled with */

enum {
    FNN_OK = 0,
    FNN_BUSY,         /* predict: more calls at once than fnn_open was told; train_step: another call trains */
    FNN_WRONG_DTYPE,  /* an _f32 function on a float64 network, or the reverse */
    FNN_WRONG_ROWS,   /* fewer than one row, or fewer than a layer needs in training */
    FNN_NO_ARRAY,     /* a NULL where there must be an array */
    FNN_NOT_FINITE,   /* x holds NaN or infinity */
    FNN_WRONG_TARGET, /* the loss does not take such a y: its range, or labels where it takes none */
    FNN_NOT_COMPILED, /* net.compile(loss=..., optimizer=...) comes first */
    FNN_WRONG_RATE,   /* negative, not finite, or FNN_OWN_RATE under a schedule */
    FNN_DIVERGED,     /* the loss is not finite, or what the update made of the parameters: they are as they were, or, of large
                         networks that learn from few rows, as some updates before */
    FNN_NO_MEMORY,    /* for a training step of so many rows */
    FNN_FAILED        /* a layer or a loss raised, or Ctrl-C; fnn_check raises it again */
};

typedef struct fnn_network fnn_network;

typedef struct fnn_api {
    int32_t abi;
    int32_t size; /* bytes of this table */
    fnn_network *(*open)(PyObject *net, int32_t threads);
    void (*close)(fnn_network *net);
    int32_t (*inputs)(const fnn_network *net);
    int32_t (*outputs)(const fnn_network *net);
    int32_t (*n_params)(const fnn_network *net);
    int32_t (*itemsize)(const fnn_network *net);
    void *(*params)(const fnn_network *net, int32_t itemsize);
    int (*predict_f32)(fnn_network *net, int32_t rows, const float *x, float *y);
    int (*predict_f64)(fnn_network *net, int32_t rows, const double *x, double *y);
    int (*train_step_f32)(fnn_network *net, int32_t rows, const float *x, const float *y, double learning_rate,
                          double *loss);
    int (*train_step_f64)(fnn_network *net, int32_t rows, const double *x, const double *y, double learning_rate,
                          double *loss);
    int (*train_step_labels_f32)(fnn_network *net, int32_t rows, const float *x, const int64_t *labels,
                                 double learning_rate, double *loss);
    int (*train_step_labels_f64)(fnn_network *net, int32_t rows, const double *x, const int64_t *labels,
                                 double learning_rate, double *loss);
    const char *(*message)(int status);
    int (*check)(fnn_network *net, int status);
} fnn_api;

/* What a handle begins with; the rest is fastnn's. */
struct fnn_network {
    const fnn_api *api;
    void *owner;
};

/* The functions of the installed fastnn; NULL with ImportError if they are not those of this header.  Call it where your
 * module is imported, so that a mismatch is told there. */
static inline const fnn_api *fnn_import(void)
{
    const fnn_api *api = NULL;
    PyObject *capsule, *module = PyImport_ImportModule("fastnn._core.capi");
    if (module == NULL)
        return NULL;
    capsule = PyObject_GetAttrString(module, "API");
    Py_DECREF(module);
    if (capsule == NULL)
        return NULL;
    api = (const fnn_api *)PyCapsule_GetPointer(capsule, "fastnn.API");
    Py_DECREF(capsule);
    if (api == NULL)
        return NULL;
    if (api->abi != FNN_ABI_VERSION) {
        PyErr_Format(PyExc_ImportError,
                     "fastnn.capi: this module was compiled for version %d of the interface, the installed fastnn has "
                     "version %d; compile it again with the installed one",
                     FNN_ABI_VERSION, (int)api->abi);
        return NULL;
    }
    if (api->size < (int32_t)sizeof(fnn_api)) {
        PyErr_Format(PyExc_ImportError,
                     "fastnn.capi: this module was compiled with a later fastnn (a table of %d bytes, the installed one "
                     "has %d); install that one, or compile the module again",
                     (int)sizeof(fnn_api), (int)api->size);
        return NULL;
    }
    return api;
}

/* A handle of a Network with one input and one output, for predictions on up to ``threads`` threads at once; NULL with an
 * exception if it cannot be: TypeError (not a Network), ValueError (several inputs or outputs, threads not in 1 .. 1024,
 * sizes beyond int32_t), MemoryError, ImportError as in fnn_import. */
static inline fnn_network *fnn_open(PyObject *net, int32_t threads)
{
    const fnn_api *api = fnn_import();
    return api == NULL ? NULL : api->open(net, threads);
}

/* Give the handle back, and with it the hold on the network; NULL is welcome. */
static inline void fnn_close(fnn_network *net)
{
    if (net != NULL)
        net->api->close(net);
}

/* Numbers in a row of the input, and of the output. */
static inline int32_t fnn_inputs(const fnn_network *net) { return net->api->inputs(net); }
static inline int32_t fnn_outputs(const fnn_network *net) { return net->api->outputs(net); }

/* Parameters, as net.n_params; bytes of each: 4 (float32) or 8 (float64). */
static inline int32_t fnn_n_params(const fnn_network *net) { return net->api->n_params(net); }
static inline int32_t fnn_itemsize(const fnn_network *net) { return net->api->itemsize(net); }

/* The parameters themselves, memory of net.params, as long as the handle is open; NULL if the dtype is another.  Write to
 * them while no call runs. */
static inline float *fnn_params_f32(const fnn_network *net) { return (float *)net->api->params(net, 4); }
static inline double *fnn_params_f64(const fnn_network *net) { return (double *)net->api->params(net, 8); }

/* y (rows, outputs) = the network's answers to x (rows, inputs), as net.predict.  x and y do not overlap.  After any
 * status but FNN_OK y holds nothing of use. */
static inline int fnn_predict_f32(fnn_network *net, int32_t rows, const float *x, float *y)
{
    return net->api->predict_f32(net, rows, x, y);
}

static inline int fnn_predict_f64(fnn_network *net, int32_t rows, const double *x, double *y)
{
    return net->api->predict_f64(net, rows, x, y);
}

/* Learn from one mini-batch, as net.train_step: y (rows, outputs) are real targets.  learning_rate: FNN_OWN_RATE, or at
 * least 0.  loss: its mean over the rows before the update; may be NULL.  Written after FNN_OK and FNN_DIVERGED.
 * A network that was compiled anew meanwhile learns by its new loss and optimiser. */
static inline int fnn_train_step_f32(fnn_network *net, int32_t rows, const float *x, const float *y,
                                     double learning_rate, double *loss)
{
    return net->api->train_step_f32(net, rows, x, y, learning_rate, loss);
}

static inline int fnn_train_step_f64(fnn_network *net, int32_t rows, const double *x, const double *y,
                                     double learning_rate, double *loss)
{
    return net->api->train_step_f64(net, rows, x, y, learning_rate, loss);
}

/* The same with class labels (rows,), or (rows, T) for answers over T steps, where the loss takes them (cross_entropy,
 * hinge). */
static inline int fnn_train_step_labels_f32(fnn_network *net, int32_t rows, const float *x, const int64_t *labels,
                                            double learning_rate, double *loss)
{
    return net->api->train_step_labels_f32(net, rows, x, labels, learning_rate, loss);
}

static inline int fnn_train_step_labels_f64(fnn_network *net, int32_t rows, const double *x, const int64_t *labels,
                                            double learning_rate, double *loss)
{
    return net->api->train_step_labels_f64(net, rows, x, labels, learning_rate, loss);
}

/* What a status means, in English; never NULL, never to be freed. */
static inline const char *fnn_message(const fnn_network *net, int status) { return net->api->message(status); }

/* 0 for FNN_OK; else -1, with the exception that the call in Python would raise: what a layer or a loss raised last (once),
 * else one whose text is fnn_message's. */
static inline int fnn_check(fnn_network *net, int status) { return net->api->check(net, status); }

#endif
