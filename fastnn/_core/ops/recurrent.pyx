"""Recurrent layers: one cell, SimpleRNN, LSTM or GRU, over all time steps of a sequence.

Arrays are time-major inside: time step s of all rows is one packed matrix.  So x W of all time steps is one matmul, and
so is each gradient of weights; only h U, added to it, and the cell run step by step.  Rows are independent except in the
gradients of weights, so threads share the rows.

Inference saves nothing for a backward pass: it works on blocks of time steps that take a few megabytes of scratch.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from fastnn._core.memory cimport copy_rows
from fastnn._core.table cimport fnn_shape
from fastnn._core.ops.recurrent_memory cimport Dims, FLOATS, GRU, LSTM, Memory, SIMPLE, Scratch, lay_out, lay_out_scratch
from fastnn._core.parts cimport CURVED, LINE, PLAIN, cut, in_parts, range_fn
from fastnn._core.pool cimport run_parts
from fastnn._core.products cimport (
    forward as product, input_gradient, product_parts, product_work, weight_gradient, whole)
from fastnn._core.step cimport Frame, OK, Op, Step, dparams_of

from fastnn._core.table import ACTIVATIONS
from fastnn._core.step import Parameter

KINDS = {"simple": SIMPLE, "lstm": LSTM, "gru": GRU}

cpdef enum:
    BLOCK_BYTES = 1 << 22   # of gates in a block of inference
    PART_ROWS = 8           # least rows of a part

cdef struct Job:
    const Step* step
    const Frame* frame
    const Dims* dims
    const Memory* memory
    const Scratch* scratch
    const char* params
    Py_ssize_t B
    Py_ssize_t first        # step of the sequence that the block begins with
    Py_ssize_t T
    Py_ssize_t parts


cdef inline Py_ssize_t block_rows(const Dims* dims, Py_ssize_t B, Py_ssize_t itemsize) noexcept nogil:
    """Rows times time steps in a block of inference."""
    return min(dims.T * B, max(B, BLOCK_BYTES // (dims.gates * itemsize)))


cdef inline bint is_time_major(const Dims* dims, Py_ssize_t B) noexcept nogil:
    """Is (B, T, I) in the order of (T, B, I) as it is?"""
    return (B == 1 or dims.T == 1) and not dims.reverse


cdef inline Py_ssize_t time_of(const Dims* dims, Py_ssize_t step) noexcept nogil:
    """The place in the sequence of a step: a reversed layer begins at the end."""
    return dims.T - 1 - step if dims.reverse else step


cdef inline void rows_in_parts(range_fn task, const Job* job, Py_ssize_t width) noexcept nogil:
    """A task on rows of the batch that moves ``width`` numbers per row and step."""
    in_parts(task, job, job.B, 1, job.B * job.T * width * job.step.kernels.itemsize, 2 * PLAIN)


cdef void to_time_major(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Copy the block's steps of x (B, T, I) to (T, B, I), of rows first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const char* x = job.frame.values[job.step.inputs[0]]
    cdef Py_ssize_t s, b, row = dims.inputs * job.step.kernels.itemsize
    for b in range(first, last):
        for s in range(job.T):
            memcpy(job.memory.x + (s * job.B + b) * row, x + (b * dims.T + time_of(dims, job.first + s)) * row, row)


cdef void from_time_major(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Copy the gradient of x back, of rows first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef char* dx = job.frame.gradients[job.step.inputs[0]]
    cdef Py_ssize_t s, b, row = dims.inputs * job.step.kernels.itemsize
    for b in range(first, last):
        for s in range(job.T):
            memcpy(dx + (b * dims.T + time_of(dims, s)) * row, job.scratch.dx + (s * job.B + b) * row, row)


cdef void find_mask(const Dims* dims, const char* x, Py_ssize_t n, Py_ssize_t itemsize, uint8_t* mask) noexcept nogil:
    """A step counts unless all its inputs are mask_value."""
    cdef Py_ssize_t k, i
    cdef bint counts
    cdef float single = <float> dims.mask_value
    for k in range(n):
        counts = False
        for i in range(k * dims.inputs, (k + 1) * dims.inputs):
            if itemsize == sizeof(float):
                counts |= (<const float*> x)[i] != single
            else:
                counts |= (<const double*> x)[i] != dims.mask_value
        mask[k] = counts


cdef inline const char* recurrent_weight(const Job* job) noexcept nogil:
    return job.params + job.dims.inputs * job.dims.gates * job.step.kernels.itemsize


cdef inline const char* biases(const Job* job) noexcept nogil:
    return recurrent_weight(job) + job.dims.H * job.dims.gates * job.step.kernels.itemsize


cdef inline const char* peephole(const Job* job) noexcept nogil:
    if job.dims.peepholes == 0:
        return job.scratch.none
    return biases(job) + (job.dims.gates if job.dims.bias else 0) * job.step.kernels.itemsize


cdef inline Py_ssize_t first_row(const Job* job, Py_ssize_t part) noexcept nogil:
    return cut(job.B, 1, job.parts, part)


cdef void forward_rows(void* argument, Py_ssize_t part) noexcept nogil:
    """All steps of some rows, one after the other; z holds the products of the inputs."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef const Step* step = job.step
    cdef Py_ssize_t itemsize = step.kernels.itemsize, H = dims.H, row = H * itemsize, s, b, at
    cdef Py_ssize_t start = first_row(job, part), n = first_row(job, part + 1) - start
    cdef const char* u = recurrent_weight(job)
    cdef const char* candidate_bias = biases(job) + dims.gates * itemsize if dims.bias else NULL
    cdef fnn_shape shape = whole(n, H, dims.gates)
    cdef fnn_shape candidate = whole(n, H, H)
    cdef char* z
    cdef char* h
    shape.bias_row = dims.gates
    candidate.w_row = dims.gates
    if dims.kind == GRU:
        shape.outputs = 2 * H
    for s in range(job.T):
        at = s * job.B + start
        z, h = m.z + at * dims.gates * itemsize, m.h + at * row
        product(step, job.frame, &shape, h, u, z, z)
        if dims.kind == SIMPLE:
            step.kernels.activation_forward[dims.activation](n * H, 0.0, z, h + job.B * row)
        elif dims.kind == LSTM:
            step.kernels.lstm_forward(n, H, dims.forgets, peephole(job), m.c + at * row, z, m.c + (at + job.B) * row,
                                      m.s + at * row, h + job.B * row)
        else:
            product(step, job.frame, &candidate, h, u + 2 * row, candidate_bias, m.s + at * row)
            step.kernels.gru_forward(n, H, m.s + at * row, h, z, h + job.B * row)
        if dims.masked:
            for b in range(at, at + n):
                if not m.mask[b]:
                    memcpy(m.h + (b + job.B) * row, m.h + b * row, row)
                    if dims.kind == LSTM:
                        memcpy(m.c + (b + job.B) * row, m.c + b * row, row)


cdef Py_ssize_t parts_for(const Job* job) noexcept nogil:
    """How many threads share the rows."""
    cdef fnn_shape shape = whole(job.B, job.dims.H, job.dims.gates)
    cdef Py_ssize_t cells = job.B * job.dims.gates * job.step.kernels.itemsize
    return max(1, min(job.B // PART_ROWS,
                      product_parts(job.step, job.B * job.T * job.dims.H * job.dims.gates,
                                    job.T * (product_work(job.step, &shape) + cells * CURVED), job.T * cells // 4)))


cdef void write_steps(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Copy the states after the block's steps to their places in y, and 0 where a step is masked."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, row = dims.H * itemsize, s, b
    cdef char* y = job.frame.values[job.step.outputs[0]]
    cdef char* out
    for b in range(first, last):
        for s in range(job.T):
            out = y + b * dims.width * itemsize + time_of(dims, job.first + s) * row
            if dims.masked and not job.memory.mask[s * job.B + b]:
                memset(out, 0, row)
            else:
                memcpy(out, job.memory.h + ((s + 1) * job.B + b) * row, row)


cdef void open_state(const Step* step, const Frame* frame, const Dims* dims, const Memory* m) noexcept nogil:
    """Set the state before the first step: to an input (B, S, H), to what a stream has kept, or to 0."""
    cdef Py_ssize_t row = dims.H * step.kernels.itemsize, S = 2 if dims.kind == LSTM else 1
    cdef const char* state = frame.state[step.index] if frame.state != NULL else NULL
    if step.n_inputs == 2:
        state = frame.values[step.inputs[1]]
    if state == NULL:
        memset(m.h, 0, frame.batch * row)
        if dims.kind == LSTM:
            memset(m.c, 0, frame.batch * row)
        return
    copy_rows(frame.batch, row, state, S * row, m.h, row)
    if dims.kind == LSTM:
        copy_rows(frame.batch, row, state + row, S * row, m.c, row)


cdef void close_state(const Dims* dims, const Memory* m, Py_ssize_t B, Py_ssize_t last, Py_ssize_t itemsize, char* to,
                      Py_ssize_t to_row) noexcept nogil:
    """Copy the state after step ``last``, (S, H) for each row."""
    cdef Py_ssize_t row = dims.H * itemsize
    copy_rows(B, row, m.h + last * B * row, row, to, to_row)
    if dims.kind == LSTM:
        copy_rows(B, row, m.c + last * B * row, row, to + row, to_row)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t B = frame.batch, itemsize = step.kernels.itemsize, row = dims.H * itemsize, first = 0, T, block
    cdef const char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    cdef char* saved = frame.saved[step.index]
    cdef Memory m
    cdef Scratch scratch
    cdef Job job
    cdef fnn_shape shape
    scratch.none = frame.scratch
    memset(scratch.none, 0, 3 * row)
    if saved == NULL:
        block = block_rows(dims, B, itemsize) // B
        saved = frame.scratch + (3 * dims.H + FLOATS) // FLOATS * FLOATS * itemsize
        lay_out(dims, B, block * B, itemsize, False, saved, &m)
    else:
        block = dims.T
        lay_out(dims, B, block * B, itemsize, True, saved, &m)
    job = Job(step=step, frame=frame, dims=dims, memory=&m, scratch=&scratch, params=frame.params + step.params, B=B,
              first=0, T=0, parts=1)
    open_state(step, frame, dims, &m)
    while first < dims.T:
        T = min(block, dims.T - first)
        if first > 0:
            memcpy(m.h, m.h + job.T * B * row, B * row)
            if dims.kind == LSTM:
                memcpy(m.c, m.c + job.T * B * row, B * row)
        job.first, job.T = first, T
        if is_time_major(dims, B):
            m.x = <char*> x + first * dims.inputs * itemsize
        else:
            rows_in_parts(to_time_major, &job, dims.inputs)
        if dims.masked:
            find_mask(dims, m.x, T * B, itemsize, m.mask)
        shape = whole(T * B, dims.inputs, dims.gates)
        product(step, frame, &shape, m.x, job.params, biases(&job) if dims.bias else NULL, m.z)
        job.parts = parts_for(&job)
        run_parts(forward_rows, &job, job.parts)
        if dims.sequences:
            rows_in_parts(write_steps, &job, dims.H)
        first += T
    if not dims.sequences:
        copy_rows(B, row, m.h + job.T * B * row, row, y, dims.width * itemsize)
    if dims.final:
        close_state(dims, &m, B, job.T, itemsize, y + (dims.T if dims.sequences else 1) * row, dims.width * itemsize)
    if frame.state != NULL:
        close_state(dims, &m, B, job.T, itemsize, frame.state[step.index], (2 if dims.kind == LSTM else 1) * row)
    return OK


cdef void backward_rows(void* argument, Py_ssize_t part) noexcept nogil:
    """All steps of some rows, the last first: dz, and dh, to whose part from outside that from the next step is added."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef const Scratch* scratch = job.scratch
    cdef const Step* step = job.step
    cdef Py_ssize_t itemsize = step.kernels.itemsize, H = dims.H, B = job.B, row = H * itemsize, s, b, at
    cdef Py_ssize_t start = first_row(job, part), n = first_row(job, part + 1) - start
    cdef fnn_shape shape = whole(n, dims.gates, H)
    cdef fnn_shape candidate = whole(n, H, H)
    cdef char* dc = scratch.dc + start * row
    cdef char* own = scratch.part + start * row
    cdef char* dz
    cdef char* dh
    cdef char* before
    shape.bias_row = candidate.bias_row = H
    if dims.kind == GRU:
        shape.inputs = 2 * H
    for s in range(job.T - 1, -1, -1):
        at = s * B + start
        dz, dh, before = scratch.dz + at * dims.gates * itemsize, m.dh + (at + B) * row, m.dh + at * row
        if dims.kind == SIMPLE:
            step.kernels.activation_backward[dims.activation](n * H, 0.0, NULL, m.h + (at + B) * row, dh, dz)
        elif dims.kind == LSTM:
            if dims.masked:
                memcpy(own, dc, n * row)
            step.kernels.lstm_backward(n, H, dims.forgets, peephole(job), m.z + at * dims.gates * itemsize,
                                       m.c + at * row, m.s + at * row, dh, dc, dz)
        else:
            step.kernels.gru_backward(n, H, m.z + at * dims.gates * itemsize, m.s + at * row, m.h + at * row, dh, dz,
                                      scratch.dq + at * row, own)
        if dims.masked:
            for b in range(n):
                if not m.mask[at + b]:
                    memset(dz + b * dims.gates * itemsize, 0, dims.gates * itemsize)
                    if dims.kind == GRU:
                        memset(scratch.dq + (at + b) * row, 0, row)
                        memcpy(own + b * row, dh + b * row, row)
                    elif dims.kind == LSTM:
                        memcpy(dc + b * row, own + b * row, row)
        if dims.truncate > 0 and s > 0 and s % dims.truncate == 0:
            memset(dc, 0, n * row)
            continue
        product(step, job.frame, &shape, dz, scratch.u, before, before)
        if dims.kind == GRU:
            step.kernels.add(n * H, before, own, before)
            product(step, job.frame, &candidate, scratch.dq + at * row, scratch.u + 2 * H * row, before, before)
        elif dims.masked:
            for b in range(n):
                if not m.mask[at + b]:
                    step.kernels.add(H, before + b * row, dh + b * row, before + b * row)


cdef void gradient_from_outside(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """dh = the gradient from dy of the state after each step; dc = that of the cell after the last step.  Of rows first ..
    last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, row = dims.H * itemsize, width = dims.width * itemsize, s, b
    cdef const char* dy = job.frame.gradients[job.step.outputs[0]]
    cdef const char* final = dy + (dims.T if dims.sequences else 1) * row
    cdef char* last_dh = m.dh + dims.T * job.B * row
    for s in range(dims.T + 1):
        memset(m.dh + (s * job.B + first) * row, 0, (last - first) * row)
    memset(job.scratch.dc + first * row, 0, (last - first) * row)
    for b in range(first, last):
        if not dims.sequences:
            memcpy(last_dh + b * row, dy + b * width, row)
            continue
        for s in range(dims.T):
            if not dims.masked or m.mask[s * job.B + b]:
                memcpy(m.dh + ((s + 1) * job.B + b) * row, dy + b * width + time_of(dims, s) * row, row)
    if dims.final:
        for b in range(first, last):
            job.step.kernels.add(dims.H, last_dh + b * row, final + b * width, last_dh + b * row)
        if dims.kind == LSTM:
            copy_rows(last - first, row, final + first * width + row, width, job.scratch.dc + first * row, row)


cdef void transpose(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """u = U^T of rows first .. last - 1 of U, a few at a time, so that their cache lines stay in the cache until they are
    used up."""
    cdef const Job* job = <const Job*> argument
    cdef const char* w = recurrent_weight(job)
    cdef char* out = job.scratch.u
    cdef Py_ssize_t rows = job.dims.H, columns = job.dims.gates, i, j, block
    for block in range(first // FLOATS, (last + FLOATS - 1) // FLOATS):
        for j in range(columns):
            for i in range(block * FLOATS, min(last, (block + 1) * FLOATS)):
                if job.step.kernels.itemsize == sizeof(float):
                    (<float*> out)[j * rows + i] = (<const float*> w)[i * columns + j]
                else:
                    (<double*> out)[j * rows + i] = (<const double*> w)[i * columns + j]


cdef void add_weight_gradients(const Step* step, const Job* job, double scale, char* dparams) noexcept nogil:
    """dW += scale x^T dz, dU += scale h^T dz over all steps at once, and likewise biases and peepholes."""
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef const Scratch* scratch = job.scratch
    cdef const Frame* frame = job.frame
    cdef Py_ssize_t itemsize = step.kernels.itemsize, H = dims.H, n = dims.T * job.B, row = H * itemsize
    cdef fnn_shape shape = whole(n, dims.inputs, dims.gates)
    cdef char* du = dparams + dims.inputs * dims.gates * itemsize
    cdef char* db = du + H * dims.gates * itemsize
    cdef char* dp = db + (dims.gates if dims.bias else 0) * itemsize
    weight_gradient(step, frame, &shape, scale, m.x, scratch.dz, dparams, db if dims.bias else NULL)
    shape.inputs = shape.x_row = H
    if dims.kind == GRU:
        shape.outputs = 2 * H
        weight_gradient(step, frame, &shape, scale, m.h, scratch.dz, du, NULL)
        shape.outputs = shape.y_row = H
        weight_gradient(step, frame, &shape, scale, m.h, scratch.dq, du + 2 * row,
                        db + dims.gates * itemsize if dims.bias else NULL)
    else:
        weight_gradient(step, frame, &shape, scale, m.h, scratch.dz, du, NULL)
    if dims.peepholes > 0:
        step.kernels.add_products(n, H, scale, scratch.dz, dims.gates, m.c, dp)
        if dims.forgets:
            step.kernels.add_products(n, H, scale, scratch.dz + row, dims.gates, m.c, dp + row)
        step.kernels.add_products(n, H, scale, scratch.dz + dims.gates * itemsize - row, dims.gates,
                                  m.c + job.B * row, dp + dims.peepholes * itemsize - row)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t B = frame.batch, itemsize = step.kernels.itemsize, row = dims.H * itemsize, T = dims.T
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dstate = frame.gradients[step.inputs[1]] if step.n_inputs == 2 else NULL
    cdef char* dparams = dparams_of(step, frame)
    cdef Memory m
    cdef Scratch scratch
    cdef Job job
    cdef fnn_shape shape = whole(T * B, dims.inputs, dims.gates)
    lay_out(dims, B, T * B, itemsize, True, frame.saved[step.index], &m)
    lay_out_scratch(dims, B, itemsize, frame.scratch, &scratch)
    memset(scratch.none, 0, 3 * row)
    job = Job(step=step, frame=frame, dims=dims, memory=&m, scratch=&scratch, params=frame.params + step.params, B=B,
              first=0, T=T, parts=1)
    rows_in_parts(gradient_from_outside, &job, dims.H)
    in_parts(transpose, &job, dims.H, LINE, dims.H * dims.gates * itemsize, 4 * PLAIN)
    job.parts = parts_for(&job)
    run_parts(backward_rows, &job, job.parts)
    if dstate != NULL:
        copy_rows(B, row, m.dh, row, dstate, (2 if dims.kind == LSTM else 1) * row)
        if dims.kind == LSTM:
            copy_rows(B, row, scratch.dc, row, dstate + row, 2 * row)
    if is_time_major(dims, B):
        m.x, scratch.dx = frame.values[step.inputs[0]], dx
    if dx != NULL:
        input_gradient(step, frame, &shape, scratch.dz, job.params, scratch.dx)
        if not is_time_major(dims, B):
            rows_in_parts(from_time_major, &job, dims.inputs)
    if dparams != NULL:
        add_weight_gradients(step, &job, frame.scale * step.rate, dparams)
    return OK


cdef class RecurrentOp(Op):
    """x (T, I), and a state (S, H) if ``initial``, to the sequence (T, H) or its last step, then (S, H) if ``final``.

    ``kind`` is a key of ``KINDS``; S is 2 for an LSTM (h and c), else 1.  ``mask_value``: steps all of whose inputs
    are that count for nothing, None: all count.  ``truncate``: gradients do not pass every truncate-th step, 0: they do.
    """

    cdef Dims dims

    def __init__(self, str kind, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, *, bint bias, bint sequences, bint final,
                 bint initial, bint reverse, mask_value, Py_ssize_t truncate, str activation="tanh",
                 bint forgets=True, bint peepholes=False):
        cdef Py_ssize_t gates = {"simple": 1, "lstm": 3 + forgets, "gru": 3}[kind]
        cdef Py_ssize_t states = 2 if kind == "lstm" else 1
        self.forward, self.backward, self.config = forward, backward, &self.dims
        width = (T if sequences else 1) * H + (states * H if final else 0)
        self.dims = Dims(kind=KINDS[kind], T=T, inputs=I, H=H, gates=gates * H, width=width, truncate=truncate,
                         activation=ACTIVATIONS[activation], forgets=forgets,
                         peepholes=(2 + forgets) * H if peepholes else 0,
                         mask_value=0.0 if mask_value is None else mask_value, masked=mask_value is not None,
                         bias=bias, sequences=sequences, final=final, reverse=reverse)
        self.input_widths = (T * I,)
        if initial:
            self.input_widths += (states * H,)
        self.output_widths, self.state_size = (width,), states * H
        self.reads_input, self.product_size, self.repeats = True, max(I, H) * gates * H, T
        self.parameters = (Parameter("weight", (I, gates * H), I, H, True),
                           Parameter("recurrent_weight", (H, gates * H), H, H, True))
        if bias:
            self.parameters += (Parameter("bias", (gates * H,), I, H, False),)
        if bias and kind == "gru":
            self.parameters += (Parameter("recurrent_bias", (H,), H, H, False),)
        if peepholes:
            self.parameters += (Parameter("peephole", (2 + forgets, H), H, H, True),)

    def state_gradients(self, Py_ssize_t batch, Py_ssize_t itemsize):
        """Where a backward pass of ``batch`` rows leaves the gradient of h after each step: (offset in saved, shape)."""
        cdef Memory m
        lay_out(&self.dims, batch, self.dims.T * batch, itemsize, True, NULL, &m)
        return <Py_ssize_t> m.dh + batch * self.dims.H * itemsize, (self.dims.T, batch, self.dims.H)

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        cdef Memory m
        return <Py_ssize_t> lay_out(&self.dims, batch, self.dims.T * batch, itemsize, True, NULL, &m)

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef Memory m
        cdef Scratch scratch
        if training:
            return <Py_ssize_t> lay_out_scratch(&self.dims, batch, itemsize, NULL, &scratch)
        return (3 * self.dims.H + FLOATS) * itemsize + <Py_ssize_t> lay_out(
            &self.dims, batch, block_rows(&self.dims, batch, itemsize), itemsize, False, NULL, &m)
