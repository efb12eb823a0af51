"""The interface for C and Cython: handles of networks, behind the table of functions that ``include/fastnn.h`` reads.

What the functions do, and which threads may call them, stands in the header.  A handle holds the network and memory for
``threads`` predictions at once; its calls take the steps of ``Engine`` and ``Trainer``, so their bits are the same.
"""

cimport cython
cimport numpy as cnp
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t

from fastnn._core.claim cimport claim, let_go
from fastnn._core.versions cimport READ, Reading
from fastnn._core.loss cimport labels_allowed, reals_allowed
from fastnn._core.pool cimport expect
from fastnn._core.plan cimport require_ok
from fastnn._core.step cimport CHANGED, DIVERGED, FAILED, OK, OVERFLOWED, Op
from fastnn._core.trainer cimport Trainer
from fastnn._core.workspace cimport Workspace
from fastnn._core.engine cimport Engine, NOT_FINITE, answer_all

from fastnn._core.loss import REAL_TARGETS
from fastnn._core.workspace import aligned_zeros
from fastnn.errors import DivergenceError

cnp.import_array()

cdef extern from "fastnn.h" nogil:
    ctypedef struct fnn_network:
        const fnn_api* api
        void* owner

    ctypedef struct fnn_api:
        int32_t abi
        int32_t size
        fnn_network* (*open)(object net, int32_t threads) except NULL
        void (*close)(fnn_network* net) noexcept nogil
        int32_t (*inputs)(const fnn_network* net) noexcept nogil
        int32_t (*outputs)(const fnn_network* net) noexcept nogil
        int32_t (*n_params)(const fnn_network* net) noexcept nogil
        int32_t (*itemsize)(const fnn_network* net) noexcept nogil
        void* (*params)(const fnn_network* net, int32_t itemsize) noexcept nogil
        int (*predict_f32)(fnn_network* net, int32_t rows, const float* x, float* y) noexcept nogil
        int (*predict_f64)(fnn_network* net, int32_t rows, const double* x, double* y) noexcept nogil
        int (*train_step_f32)(fnn_network* net, int32_t rows, const float* x, const float* y, double learning_rate,
                              double* loss) noexcept nogil
        int (*train_step_f64)(fnn_network* net, int32_t rows, const double* x, const double* y, double learning_rate,
                              double* loss) noexcept nogil
        int (*train_step_labels_f32)(fnn_network* net, int32_t rows, const float* x, const int64_t* labels,
                                     double learning_rate, double* loss) noexcept nogil
        int (*train_step_labels_f64)(fnn_network* net, int32_t rows, const double* x, const int64_t* labels,
                                     double learning_rate, double* loss) noexcept nogil
        const char* (*message)(int status) noexcept nogil
        int (*check)(fnn_network* net, int status) except -1

    const int FNN_ABI_VERSION
    const double FNN_OWN_RATE
    enum:
        FNN_OK
        FNN_BUSY
        FNN_WRONG_DTYPE
        FNN_WRONG_ROWS
        FNN_NO_ARRAY
        FNN_NOT_FINITE
        FNN_WRONG_TARGET
        FNN_NOT_COMPILED
        FNN_WRONG_RATE
        FNN_DIVERGED
        FNN_NO_MEMORY
        FNN_FAILED

ctypedef fused real:
    float
    double

cdef enum:
    MOST_THREADS = 1024
    MOST = 0x7FFFFFFF           # of an int32_t

# Memory for one prediction at a time, on a cache line of its own.
cdef struct Place:
    int taken
    PyObject* one               # the Workspace for one row
    PyObject* many              # for ``chunk`` rows
    char apart[40]


@cython.auto_pickle(False)
cdef class Handle:
    """A network, and what calls on it need.  ``head`` is what the caller has of it."""

    cdef fnn_network head
    cdef Engine engine
    cdef Trainer trainer        # what the network was compiled with when the next four were taken from it
    cdef double own_rate        # the learning rate if it does not change, else -1
    cdef int reals              # which real targets the loss takes
    cdef Py_ssize_t classes     # if it takes labels, else 0
    cdef bint loss_may_raise    # it is a function in Python
    cdef int training           # claimed by a training call
    cdef bint steps_may_raise   # in answering
    cdef bint training_may_raise
    cdef object failure         # what a layer or a loss raised last
    cdef list works
    cdef cnp.ndarray memory
    cdef Place* places
    cdef int n_places

    def __init__(self, Engine engine not None, int threads):
        cdef Op op
        self.engine, self.n_places = engine, threads
        for op in engine.plan.ops:
            self.steps_may_raise |= op.may_fail
            self.training_may_raise |= op.may_fail or op.backward_may_fail
        self.memory = aligned_zeros(threads * sizeof(Place), "u1")
        self.places = <Place*> cnp.PyArray_DATA(self.memory)
        self.works = []
        cdef Workspace work
        for place in range(threads):
            for capacity in (1, engine.chunk):
                work = Workspace(engine.plan, capacity)
                work.open(cnp.PyArray_DATA(engine.params), False, 0, 0)
                self.works.append(work)
                if capacity == 1:
                    self.places[<int> place].one = <PyObject*> work
                self.places[<int> place].many = <PyObject*> work

    cdef int predict(self, Py_ssize_t itemsize, Py_ssize_t n, const char* x, char* y) noexcept nogil:
        cdef int place, status
        if itemsize != self.engine.plan.kernels.itemsize:
            return FNN_WRONG_DTYPE
        if n < 1:
            return FNN_WRONG_ROWS
        if x == NULL or y == NULL:
            return FNN_NO_ARRAY
        for place in range(self.n_places):
            if claim(&self.places[place].taken):
                break
        else:
            return FNN_BUSY
        if self.steps_may_raise:
            status = self.answer_or_keep(&self.places[place], n, x, y)
        else:
            status = self.answer(&self.places[place], n, x, y)
        let_go(&self.places[place].taken)
        return status

    cdef int answer(self, const Place* place, Py_ssize_t n, const char* x, char* y) noexcept nogil:
        """From one version of the parameters; a second time from a copy of it, if another thread trains meanwhile."""
        cdef PyObject* work = place.many if n > 1 else place.one
        cdef Reading reading
        cdef bint apart = (y + n * self.engine.output_bytes[0] <= x
                           or x + n * self.engine.input.width * self.engine.plan.kernels.itemsize <= y)
        cdef int status = OK
        expect(n * self.engine.row_work)
        self.engine.versions.begin(&reading)
        if apart and self.engine.versions.quiet(&reading):
            status = answer_all(self.engine, <Workspace> work, &x, &y, n, True)
        if not (apart and self.engine.versions.settled(&reading)):
            if status == FAILED:
                forget_exception()
            if self.engine.versions.pin(&reading, False) != READ:
                return FNN_NO_MEMORY
            (<Workspace> work).frame.params = reading.params
            status = answer_all(self.engine, <Workspace> work, &x, &y, n, True)
            (<Workspace> work).frame.params = self.engine.versions.live
            self.engine.versions.unpin(&reading)
        return FNN_OK if status == OK else FNN_NOT_FINITE if status == NOT_FINITE else FNN_FAILED

    cdef int answer_or_keep(self, const Place* place, Py_ssize_t n, const char* x, char* y) noexcept with gil:
        """The same where a step may raise: this thread is Python's meanwhile, so that the exception outlives the step."""
        cdef int status
        with nogil:
            status = self.answer(place, n, x, y)
        if status == FNN_FAILED:
            self.keep_failure()
        return status

    cdef int train(self, Py_ssize_t itemsize, Py_ssize_t n, const char* x, const char* target, bint labels, double rate,
                   double* loss) noexcept nogil:
        cdef int status
        if itemsize != self.engine.plan.kernels.itemsize:
            return FNN_WRONG_DTYPE
        if n < 1:
            return FNN_WRONG_ROWS
        if x == NULL or target == NULL:
            return FNN_NO_ARRAY
        if not claim(&self.training):
            return FNN_BUSY
        status = FNN_OK
        if self.trainer is None or self.trainer is not self.engine.trainer:
            status = self.follow()
        if status == FNN_OK:
            status = self.learn(n, x, target, labels, rate, loss)
        let_go(&self.training)
        return status

    cdef int follow(self) noexcept with gil:
        """Go by the loss and the optimiser that the network is compiled with now."""
        try:
            losses = self.engine.losses if self.engine.trainer is not None else []
            if not losses:
                return FNN_NOT_COMPILED
            *_, outputs = self.engine.output_shape
            self.own_rate = self.engine.constant_rate
            self.reals = REAL_TARGETS[losses[0].targets]
            self.classes = outputs if losses[0].label_kernel and outputs > 1 else 0
            self.trainer = self.engine.trainer
            self.loss_may_raise = self.trainer.losses[0].real_value == NULL
            return FNN_OK
        except BaseException as error:  # Ctrl-C is one
            self.failure = error
            return FNN_FAILED

    cdef int learn(self, Py_ssize_t n, const char* x, const char* target, bint labels, double rate,
                   double* loss) noexcept nogil:
        cdef int status
        cdef Py_ssize_t steps = self.trainer.losses[0].steps
        if n < self.trainer.least_rows:
            return FNN_WRONG_ROWS
        if rate == FNN_OWN_RATE:
            rate = self.own_rate
        if not (isfinite(rate) and rate >= 0.0):
            return FNN_WRONG_RATE
        if not self.engine.plan.kernels.all_finite(n * self.engine.input.width, x):
            return FNN_NOT_FINITE
        if labels and not (self.classes > 0 and labels_allowed(n * steps, self.classes, <const int64_t*> target)):
            return FNN_WRONG_TARGET
        if not labels and not reals_allowed(self.engine.plan.kernels, self.reals, n * steps,
                                            self.trainer.losses[0].width, target):
            return FNN_WRONG_TARGET
        if not self.trainer.versions.start():
            return FNN_BUSY
        status = FNN_OK if self.trainer.ready(n, True) else self.reserve(n)
        if status == FNN_OK:
            self.trainer.take_targets(self.trainer.losses, labels)
            self.trainer.rows.inputs[0], self.trainer.rows.targets[0] = x, target
            self.trainer.rows.weights, self.trainer.rows.order.rows = NULL, NULL
            if self.training_may_raise or self.loss_may_raise:
                status = self.step_or_keep(n, rate, loss)
            else:
                status = self.step(n, rate, loss)
        self.trainer.versions.stop()
        return status

    cdef int reserve(self, Py_ssize_t n) noexcept with gil:
        try:
            self.trainer.reserve(n, True)
            return FNN_OK
        except MemoryError:
            return FNN_NO_MEMORY
        except BaseException as error:
            self.failure = error
            return FNN_FAILED

    cdef int step(self, Py_ssize_t n, double rate, double* loss) noexcept nogil:
        cdef double mean = 0.0, weight = 0.0
        cdef int status
        self.trainer.guarding = True
        self.trainer.versions.enter()
        status = self.trainer.batch(0, n, rate, True, &mean, &weight)
        self.trainer.versions.leave()
        self.trainer.guarding = False
        if loss != NULL and (status == OK or status == DIVERGED):
            loss[0] = mean
        if status == CHANGED:
            return FNN_WRONG_TARGET
        if status == DIVERGED or status == OVERFLOWED:
            return FNN_DIVERGED
        return FNN_OK if status == OK else FNN_FAILED

    cdef int step_or_keep(self, Py_ssize_t n, double rate, double* loss) noexcept with gil:
        cdef int status
        with nogil:
            status = self.step(n, rate, loss)
        if status == FNN_FAILED:
            self.keep_failure()
        return status

    cdef void keep_failure(self) noexcept:
        try:
            require_ok(FAILED)
        except BaseException as error:
            self.failure = error


cdef void forget_exception() noexcept with gil:
    PyErr_Clear()


cdef fnn_network* open_network(object net, int32_t threads) except NULL:
    cdef Engine engine
    cdef Handle handle
    if not isinstance(net, Engine) or (<Engine> net).plan is None:
        raise TypeError(f"fnn_open: expected a Network, got {type(net).__name__}")
    engine = net
    if engine.fast_dtype < 0:
        raise ValueError(f"fnn_open: expected a network with one input and one output, got {engine.n_inputs} and "
                         f"{engine.n_outputs}; call net.predict and net.train_step")
    if not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"fnn_open: expected threads from 1 to {MOST_THREADS}, got {threads}")
    if max(engine.plan.n_params, engine.input.width, engine.output.width) > MOST:
        raise ValueError(f"fnn_open: expected sizes of at most {MOST}, got {engine.plan.n_params} parameters, "
                         f"{engine.input.width} inputs and {engine.output.width} outputs")
    handle = Handle(engine, threads)
    handle.head.api, handle.head.owner = &TABLE, <void*> handle
    Py_INCREF(handle)
    return &handle.head


cdef void close_network(fnn_network* net) noexcept with gil:
    Py_DECREF(<Handle> net.owner)


cdef int32_t inputs(const fnn_network* net) noexcept nogil:
    return <int32_t> (<Handle> net.owner).engine.input.width


cdef int32_t outputs(const fnn_network* net) noexcept nogil:
    return <int32_t> (<Handle> net.owner).engine.output.width


cdef int32_t n_params(const fnn_network* net) noexcept nogil:
    return <int32_t> (<Handle> net.owner).engine.plan.n_params


cdef int32_t itemsize(const fnn_network* net) noexcept nogil:
    return <int32_t> (<Handle> net.owner).engine.plan.kernels.itemsize


cdef void* params(const fnn_network* net, int32_t itemsize) noexcept nogil:
    cdef bint same = itemsize == (<Handle> net.owner).engine.plan.kernels.itemsize
    return cnp.PyArray_DATA((<Handle> net.owner).engine.params) if same else NULL


cdef int predict(fnn_network* net, int32_t rows, const real* x, real* y) noexcept nogil:
    return (<Handle> net.owner).predict(sizeof(real), rows, <const char*> x, <char*> y)


cdef int train_step(fnn_network* net, int32_t rows, const real* x, const real* y, double rate,
                    double* loss) noexcept nogil:
    return (<Handle> net.owner).train(sizeof(real), rows, <const char*> x, <const char*> y, False, rate, loss)


cdef int train_step_labels(fnn_network* net, int32_t rows, const real* x, const int64_t* labels, double rate,
                           double* loss) noexcept nogil:
    return (<Handle> net.owner).train(sizeof(real), rows, <const char*> x, <const char*> labels, True, rate, loss)


cdef const char* MESSAGES[FNN_FAILED + 1]
MESSAGES[FNN_OK] = b"all went well"
MESSAGES[FNN_BUSY] = (
    b"expected no more predictions at once than fnn_open was told, and one training call for each network; open it for "
    b"more threads, or train a copy.deepcopy")
MESSAGES[FNN_WRONG_DTYPE] = (
    b"expected the function of the network's dtype, _f32 or _f64; call the other, or net.astype")
MESSAGES[FNN_WRONG_ROWS] = (
    b"expected at least one row, in training as many as each layer needs (BatchNorm: 2); pass more rows")
MESSAGES[FNN_NO_ARRAY] = b"expected arrays, got NULL"
MESSAGES[FNN_NOT_FINITE] = b"expected x to be finite, got NaN or infinity; remove or impute them"
MESSAGES[FNN_WRONG_TARGET] = (
    b"expected targets that the loss takes: their range, labels from 0 to classes - 1 only where it takes any")
MESSAGES[FNN_NOT_COMPILED] = (
    b"expected a compiled network with a loss; call net.compile(loss=..., optimizer=...) first")
MESSAGES[FNN_WRONG_RATE] = (
    b"expected a finite learning rate of at least 0, or FNN_OWN_RATE for a network with a constant one; under a "
    b"schedule pass net.learning_rate")
MESSAGES[FNN_DIVERGED] = (
    b"the loss is not finite; the parameters were left as they are; lower the learning rate, clip the gradient "
    b"(clip_norm) or standardise the data")
MESSAGES[FNN_NO_MEMORY] = b"no memory for a training step of so many rows, or to predict meanwhile; pass fewer rows"
MESSAGES[FNN_FAILED] = b"a layer or the loss raised an exception; fnn_check raises it again"


cdef const char* message(int status) noexcept nogil:
    if FNN_OK <= status <= FNN_FAILED:
        return MESSAGES[status]
    return b"expected a status of fnn_predict or fnn_train_step"


cdef int check(fnn_network* net, int status) except -1:
    cdef Handle handle = <Handle> net.owner
    if status == FNN_OK:
        return 0
    failure, handle.failure = (handle.failure, None) if status == FNN_FAILED else (None, handle.failure)
    if failure is not None:
        raise failure
    kinds = {FNN_WRONG_DTYPE: TypeError, FNN_NO_MEMORY: MemoryError, FNN_DIVERGED: DivergenceError,
             FNN_BUSY: RuntimeError, FNN_NOT_COMPILED: RuntimeError, FNN_FAILED: RuntimeError}
    raise kinds.get(status, ValueError)("fastnn: " + message(status).decode())


cdef fnn_api TABLE
TABLE.abi, TABLE.size = FNN_ABI_VERSION, sizeof(fnn_api)
TABLE.open, TABLE.close, TABLE.check, TABLE.message = open_network, close_network, check, message
TABLE.inputs, TABLE.outputs, TABLE.n_params, TABLE.itemsize, TABLE.params = inputs, outputs, n_params, itemsize, params
TABLE.predict_f32, TABLE.predict_f64 = predict[float], predict[double]
TABLE.train_step_f32, TABLE.train_step_f64 = train_step[float], train_step[double]
TABLE.train_step_labels_f32, TABLE.train_step_labels_f64 = train_step_labels[float], train_step_labels[double]

API = PyCapsule_New(&TABLE, "fastnn.API", NULL)
