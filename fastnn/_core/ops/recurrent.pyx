"""Recurrent layers: one cell, SimpleRNN, LSTM or GRU, over all time steps of a sequence.

Arrays are time-major inside: time step s of all rows is one packed matrix.  Rows are independent except in the gradients
of weights, so threads share the rows.  Of many rows all products of a step run before the next step, with weights in
panels: a thread goes through the sequence by itself, and what a step computes is still in its cache when it is used; only
the gradients of weights are taken over a block of time steps.  Of few rows x W of many time steps is one matmul, and so is
each gradient; h U, added to it, and the cell run step by step.

Inference saves nothing for a backward pass: it works on blocks of time steps whose gates fit into a cache.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from fastnn._core.memory cimport copy_rows
from fastnn._core.table cimport fnn_shape
from fastnn._core.ops.recurrent_memory cimport (
    Dims, GRU, LSTM, Memory, PART_ROWS, SIMPLE, Scratch, lay_out, lay_out_backward, lay_out_forward, stepwise)
from fastnn._core.panels cimport forward_by_panels, pack, panels_size
from fastnn._core.parts cimport CURVED, PLAIN, cut, in_parts, range_fn
from fastnn._core.pool cimport run_parts, stopped, threads
from fastnn._core.products cimport (
    forward as product, input_gradient, product_parts, product_work, weight_gradient, whole)
from fastnn._core.step cimport FAILED, Frame, OK, Op, Step, dparams_of

from fastnn._core.table import ACTIVATIONS
from fastnn._core.step import Parameter

KINDS = {"simple": SIMPLE, "lstm": LSTM, "gru": GRU}

cpdef enum:
    BLOCK_ROWS = 256        # least rows times time steps in a block
    BLOCK_BYTES = 1 << 19   # of their gates, that stay in the cache

cdef struct Job:
    const Step* step
    const Frame* frame
    const Dims* dims
    const Memory* memory
    const Scratch* scratch
    const char* params
    bint stepwise
    Py_ssize_t B
    Py_ssize_t first        # step of the sequence that the block begins with
    Py_ssize_t T
    Py_ssize_t parts


cdef inline Py_ssize_t block_rows(const Dims* dims, Py_ssize_t B, Py_ssize_t itemsize) noexcept nogil:
    """Rows times time steps of a block, at least one step."""
    return min(dims.T * B, max(B, BLOCK_ROWS, BLOCK_BYTES // (dims.gates * itemsize)))


cdef inline Py_ssize_t backward_block_rows(const Dims* dims, Py_ssize_t B, Py_ssize_t itemsize) noexcept nogil:
    """Likewise backward.  Where weights are read as they lie it is one block: their gradients may be written to themselves."""
    return block_rows(dims, B, itemsize) if stepwise(dims, B, itemsize) else dims.T * B


cdef inline bint is_time_major(const Dims* dims, Py_ssize_t B) noexcept nogil:
    """Is (B, T, I) in the order of (T, B, I) as it is?"""
    return (B == 1 or dims.T == 1) and not dims.reverse


cdef inline Py_ssize_t time_of(const Dims* dims, Py_ssize_t step) noexcept nogil:
    """The place in the sequence of a step: a reversed layer begins at the end."""
    return dims.T - 1 - step if dims.reverse else step


cdef inline void rows_in_parts(range_fn task, const Job* job, Py_ssize_t width) noexcept nogil:
    """A task on rows of the batch that moves ``width`` numbers per row and step."""
    in_parts(task, job, job.B, 1, job.B * job.T * width * job.step.kernels.itemsize, 2 * PLAIN)


cdef inline char* input_row(const Job* job, char* x, Py_ssize_t s, Py_ssize_t b) noexcept nogil:
    """The inputs of row b at step s of the block, in x or dx (B, T, I)."""
    return x + (b * job.dims.T + time_of(job.dims, job.first + s)) * job.dims.inputs * job.step.kernels.itemsize


cdef void to_time_major(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Copy the block's steps of x (B, T, I) to (T, B, I), of rows first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef char* x = job.frame.values[job.step.inputs[0]]
    cdef Py_ssize_t s, b, row = job.dims.inputs * job.step.kernels.itemsize
    for b in range(first, last):
        for s in range(job.T):
            memcpy(job.scratch.x + (s * job.B + b) * row, input_row(job, x, s, b), row)


cdef void from_time_major(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Copy the gradient of x back, of rows first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef char* dx = job.frame.gradients[job.step.inputs[0]]
    cdef Py_ssize_t s, b, row = job.dims.inputs * job.step.kernels.itemsize
    for b in range(first, last):
        for s in range(job.T):
            memcpy(input_row(job, dx, s, b), job.scratch.dx + (s * job.B + b) * row, row)


cdef uint8_t counts(const Dims* dims, const char* x, Py_ssize_t itemsize) noexcept nogil:
    """A step counts unless all its inputs are mask_value."""
    cdef Py_ssize_t i
    cdef bint result = False
    cdef float single = <float> dims.mask_value
    for i in range(dims.inputs):
        if itemsize == sizeof(float):
            result |= (<const float*> x)[i] != single
        else:
            result |= (<const double*> x)[i] != dims.mask_value
    return result


cdef inline const char* recurrent_weight(const Job* job) noexcept nogil:
    return job.params + job.dims.inputs * job.dims.gates * job.step.kernels.itemsize


cdef inline const char* biases(const Job* job) noexcept nogil:
    return recurrent_weight(job) + job.dims.H * job.dims.gates * job.step.kernels.itemsize


cdef void copy_peephole(const Job* job) noexcept nogil:
    """Peephole weights, or zeros: the backward pass may change the weights while it needs them."""
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize
    memset(job.scratch.peephole, 0, 3 * job.dims.H * itemsize)
    memcpy(job.scratch.peephole, biases(job) + (job.dims.gates if job.dims.bias else 0) * itemsize,
           job.dims.peepholes * itemsize)


cdef inline Py_ssize_t first_row(const Job* job, Py_ssize_t part) noexcept nogil:
    return cut(job.B, 1, job.parts, part)


cdef inline void write_step(const Job* job, Py_ssize_t s, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Copy the states of n rows after step s of the block to their places in y, and 0 where the step is masked."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, row = dims.H * itemsize, b
    cdef char* y = job.frame.values[job.step.outputs[0]] + time_of(dims, job.first + s) * row
    for b in range(start, start + n):
        if dims.masked and not job.memory.mask[s * job.B + b]:
            memset(y + b * dims.width * itemsize, 0, row)
        else:
            memcpy(y + b * dims.width * itemsize, job.memory.h + ((s + 1) * job.B + b) * row, row)


cdef void pack_weights(const Job* job) noexcept nogil:
    """The weights in panels, for the forward pass; those of a GRU's candidate by themselves."""
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t H = dims.H, G = dims.gates, itemsize = job.step.kernels.itemsize
    cdef const char* u = recurrent_weight(job)
    pack(job.step, dims.inputs, G, job.params, G, False, job.scratch.w)
    if dims.kind == GRU:
        pack(job.step, H, 2 * H, u, G, False, job.scratch.u)
        pack(job.step, H, H, u + 2 * H * itemsize, G, False, candidate_panels(job))
    else:
        pack(job.step, H, G, u, G, False, job.scratch.u)


cdef inline char* candidate_panels(const Job* job) noexcept nogil:
    return job.scratch.u + panels_size(job.dims.H, 2 * job.dims.H) * job.step.kernels.itemsize


cdef void add_recurrent(const Job* job, const fnn_shape* shape, const char* h, const char* bias, char* z) noexcept nogil:
    """z = bias + h U, where shape.outputs says of which gates of a GRU: the candidate's, H, or the others'."""
    cdef bint candidate = shape.outputs < job.dims.gates and shape.outputs == job.dims.H
    if job.stepwise:
        forward_by_panels(job.step, shape, h, candidate_panels(job) if candidate else job.scratch.u, job.dims.H, 0, bias, z)
    else:
        product(job.step, job.frame, shape, h,
                recurrent_weight(job) + (2 * job.dims.H * job.step.kernels.itemsize if candidate else 0), bias, z)


cdef void forward_rows(void* argument, Py_ssize_t part) noexcept nogil:
    """All steps of some rows, one after the other; z holds the products of the inputs, unless they run step by step."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef const Step* step = job.step
    cdef Py_ssize_t itemsize = step.kernels.itemsize, H = dims.H, row = H * itemsize, s, b, at
    cdef Py_ssize_t start = first_row(job, part), n = first_row(job, part + 1) - start
    cdef const char* candidate_bias = biases(job) + dims.gates * itemsize if dims.bias else NULL
    cdef fnn_shape inputs = whole(n, dims.inputs, dims.gates)
    cdef fnn_shape shape = whole(n, H, dims.gates)
    cdef fnn_shape candidate = whole(n, H, H)
    cdef char* x = job.frame.values[step.inputs[0]]
    cdef char* z
    cdef char* h
    inputs.x_row = dims.T * dims.inputs
    shape.bias_row = dims.gates
    candidate.w_row = dims.gates
    if dims.kind == GRU:
        shape.outputs = 2 * H
    if dims.resets_first:
        candidate.bias_row = candidate.y_row = dims.gates
    for s in range(job.T):
        if job.frame.watched and stopped():
            return
        at = s * job.B + start
        z, h = m.z + at * dims.gates * itemsize, m.h + at * row
        if job.stepwise:
            forward_by_panels(step, &inputs, input_row(job, x, s, start), job.scratch.w, dims.inputs, 0,
                              biases(job) if dims.bias else NULL, z)
        add_recurrent(job, &shape, h, z, z)
        if dims.kind == SIMPLE:
            step.kernels.activation_forward[dims.activation](n * H, 0.0, z, h + job.B * row)
        elif dims.kind == LSTM:
            step.kernels.lstm_forward(n, H, dims.forgets, job.scratch.peephole, m.c + at * row, z,
                                      m.c + (at + job.B) * row, m.s + at * row, h + job.B * row)
        elif dims.resets_first:
            step.kernels.gru_reset(n, H, h, z, m.s + at * row)
            add_recurrent(job, &candidate, m.s + at * row, z + 2 * row, z + 2 * row)
            step.kernels.gru_update(n, H, h, z, h + job.B * row)
        else:
            add_recurrent(job, &candidate, h, candidate_bias, m.s + at * row)
            step.kernels.gru_forward(n, H, m.s + at * row, h, z, h + job.B * row)
        if dims.masked:
            for b in range(n):
                m.mask[at + b] = counts(dims, input_row(job, x, s, start + b), itemsize)
                if not m.mask[at + b]:
                    memcpy(h + (job.B + b) * row, h + b * row, row)
                    if dims.kind == LSTM:
                        memcpy(m.c + (at + b + job.B) * row, m.c + (at + b) * row, row)
        if dims.sequences:
            write_step(job, s, start, n)


cdef Py_ssize_t parts_for(const Job* job) noexcept nogil:
    """How many threads share the rows: each goes through all steps of its own."""
    cdef fnn_shape shape = whole(job.B, job.dims.H, job.dims.gates)
    cdef Py_ssize_t cells = job.B * job.dims.gates * job.step.kernels.itemsize
    return max(1, min(min(job.B // PART_ROWS, <Py_ssize_t> threads()),
                      product_parts(job.step, job.B * job.T * job.dims.H * job.dims.gates,
                                    job.T * (product_work(job.step, &shape) + cells * CURVED), job.T * cells // 4)))


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


cdef inline void next_block(const Job* job, Memory* m, bint saved) noexcept nogil:
    """Place the next block behind the last one, or, if nothing is saved, where it was, after the last state."""
    cdef Py_ssize_t n = job.T * job.B, itemsize = job.step.kernels.itemsize, row = job.dims.H * itemsize
    if not saved:
        memcpy(m.h, m.h + n * row, job.B * row)
        if job.dims.kind == LSTM:
            memcpy(m.c, m.c + n * row, job.B * row)
        return
    m.z += n * job.dims.gates * itemsize
    m.h += n * row
    m.c += n * row
    m.s += n * row
    m.mask += n


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t B = frame.batch, itemsize = step.kernels.itemsize, row = dims.H * itemsize, first = 0, block
    cdef char* x = frame.values[step.inputs[0]]
    cdef char* y = frame.values[step.outputs[0]]
    cdef char* saved = frame.saved[step.index]
    cdef char* free
    cdef Memory m
    cdef Scratch scratch
    cdef Job job
    cdef fnn_shape shape
    block = block_rows(dims, B, itemsize) // B
    free = lay_out_forward(dims, B, block * B, itemsize, frame.scratch, &scratch)
    job = Job(step=step, frame=frame, dims=dims, memory=&m, scratch=&scratch, params=frame.params + step.params,
              stepwise=stepwise(dims, B, itemsize), B=B, first=0, T=0, parts=1)
    if saved == NULL:
        lay_out(dims, B, block * B, itemsize, False, free, &m)
    else:
        lay_out(dims, B, dims.T * B, itemsize, True, saved, &m)
        if job.stepwise:
            block = dims.T
    copy_peephole(&job)
    if job.stepwise:
        pack_weights(&job)
    open_state(step, frame, dims, &m)
    while first < dims.T:
        if frame.watched and stopped():
            return FAILED
        if first > 0:
            next_block(&job, &m, saved != NULL)
        job.first, job.T = first, min(block, dims.T - first)
        if not job.stepwise:
            if is_time_major(dims, B):
                scratch.x = x + first * dims.inputs * itemsize
            else:
                rows_in_parts(to_time_major, &job, dims.inputs)
            shape = whole(job.T * B, dims.inputs, dims.gates)
            product(step, frame, &shape, scratch.x, job.params, biases(&job) if dims.bias else NULL, m.z)
        job.parts = parts_for(&job)
        run_parts(forward_rows, &job, job.parts)
        first += job.T
    if not dims.sequences:
        copy_rows(B, row, m.h + job.T * B * row, row, y, dims.width * itemsize)
    if dims.final:
        close_state(dims, &m, B, job.T, itemsize, y + (dims.T if dims.sequences else 1) * row, dims.width * itemsize)
    if frame.state != NULL:
        close_state(dims, &m, B, job.T, itemsize, frame.state[step.index], (2 if dims.kind == LSTM else 1) * row)
    return OK


cdef void outside_gradient(const Job* job, Py_ssize_t state, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """dh of a state of n rows = its gradient from dy, before what comes from the next step is added."""
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, row = dims.H * itemsize, width = dims.width * itemsize, b
    cdef const char* dy = job.frame.gradients[job.step.outputs[0]]
    cdef const char* final = dy + (dims.T if dims.sequences else 1) * row
    cdef Py_ssize_t at = time_of(dims, state - 1) if dims.sequences else 0
    cdef bint seen = state > 0 and (dims.sequences or state == dims.T)
    cdef char* dh
    for b in range(start, start + n):
        dh = m.dh + (state * job.B + b) * row
        if seen and not (dims.sequences and dims.masked and not m.mask[(state - 1) * job.B + b]):
            memcpy(dh, dy + b * width + at * row, row)
        else:
            memset(dh, 0, row)
        if dims.final and state == dims.T:
            job.step.kernels.add(dims.H, dh, final + b * width, dh)


cdef void open_gradient(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The gradients of h and c after the last step, of rows first .. last - 1."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, row = dims.H * itemsize, width = dims.width * itemsize
    cdef const char* final = job.frame.gradients[job.step.outputs[0]] + (dims.T if dims.sequences else 1) * row
    outside_gradient(job, dims.T, first, last - first)
    if dims.final and dims.kind == LSTM:
        copy_rows(last - first, row, final + first * width + row, width, job.scratch.dc + first * row, row)
    else:
        memset(job.scratch.dc + first * row, 0, (last - first) * row)


cdef void backward_rows(void* argument, Py_ssize_t part) noexcept nogil:
    """The block's steps of some rows, the last first: dz, and dh, to whose part from outside that from the next step is
    added; step by step dx, too."""
    cdef const Job* job = <const Job*> argument
    cdef const Dims* dims = job.dims
    cdef const Memory* m = job.memory
    cdef const Scratch* scratch = job.scratch
    cdef const Step* step = job.step
    cdef Py_ssize_t itemsize = step.kernels.itemsize, H = dims.H, B = job.B, row = H * itemsize, s, b, at, to
    cdef Py_ssize_t start = first_row(job, part), n = first_row(job, part + 1) - start
    cdef fnn_shape inputs = whole(n, dims.gates, dims.inputs)
    cdef fnn_shape shape = whole(n, dims.gates, H)
    cdef fnn_shape candidate = whole(n, H, H)
    cdef char* dx = job.frame.gradients[step.inputs[0]]
    cdef char* dc = scratch.dc + start * row
    cdef char* own = scratch.part + start * row
    cdef char* dz
    cdef char* dq
    cdef char* dh
    cdef char* before
    inputs.y_row = dims.T * dims.inputs
    shape.bias_row = candidate.bias_row = H
    if dims.kind == GRU:
        shape.inputs = 2 * H
    if dims.resets_first:
        candidate.x_row = dims.gates
    for s in range(job.first + job.T - 1, job.first - 1, -1):
        if job.frame.watched and stopped():
            return
        at, to = s * B + start, (s - job.first) * B + start
        dz, dq = scratch.dz + to * dims.gates * itemsize, scratch.dq + to * row
        dh, before = m.dh + (at + B) * row, m.dh + at * row
        if dims.kind == SIMPLE:
            step.kernels.activation_backward[dims.activation](n * H, 0.0, NULL, m.h + (at + B) * row, dh, dz)
        elif dims.kind == LSTM:
            if dims.masked:
                memcpy(own, dc, n * row)
            step.kernels.lstm_backward(n, H, dims.forgets, scratch.peephole, m.z + at * dims.gates * itemsize,
                                       m.c + at * row, m.s + at * row, dh, dc, dz)
        elif dims.resets_first:
            step.kernels.gru_update_backward(n, H, m.z + at * dims.gates * itemsize, m.h + at * row, dh, dz, own)
            forward_by_panels(step, &candidate, dz + 2 * row, scratch.u, dims.gates, 2 * H, NULL, dq)
            step.kernels.gru_reset_backward(n, H, m.z + at * dims.gates * itemsize, m.h + at * row, dq, dz, own)
        else:
            step.kernels.gru_backward(n, H, m.z + at * dims.gates * itemsize, m.s + at * row, m.h + at * row, dh, dz,
                                      dq, own)
        if dims.masked:
            for b in range(n):
                if not m.mask[at + b]:
                    memset(dz + b * dims.gates * itemsize, 0, dims.gates * itemsize)
                    if dims.kind == GRU:
                        memset(dq + b * row, 0, row)
                        memcpy(own + b * row, dh + b * row, row)
                    elif dims.kind == LSTM:
                        memcpy(dc + b * row, own + b * row, row)
        if job.stepwise and dx != NULL:
            forward_by_panels(step, &inputs, dz, scratch.w, dims.gates, 0, NULL,
                              input_row(job, dx, s - job.first, start))
        outside_gradient(job, s, start, n)
        if dims.truncate > 0 and s > 0 and s % dims.truncate == 0:
            memset(dc, 0, n * row)
            continue
        forward_by_panels(step, &shape, dz, scratch.u, dims.gates, 0, before, before)
        if dims.kind == GRU:
            step.kernels.add(n * H, before, own, before)
            if not dims.resets_first:
                forward_by_panels(step, &candidate, dq, scratch.u, dims.gates, 2 * H, before, before)
        elif dims.masked:
            for b in range(n):
                if not m.mask[at + b]:
                    step.kernels.add(H, before + b * row, dh + b * row, before + b * row)


cdef void add_weight_gradients(const Step* step, const Job* job, double scale, char* dparams) noexcept nogil:
    """dW += scale x^T dz, dU += scale h^T dz over the block's steps at once, and likewise biases and peepholes."""
    cdef const Dims* dims = job.dims
    cdef const Scratch* scratch = job.scratch
    cdef const Frame* frame = job.frame
    cdef Py_ssize_t itemsize = step.kernels.itemsize, H = dims.H, n = job.T * job.B, row = H * itemsize
    cdef fnn_shape shape = whole(n, dims.inputs, dims.gates)
    cdef const char* h = job.memory.h + job.first * job.B * row
    cdef const char* c = job.memory.c + job.first * job.B * row
    cdef char* du = dparams + dims.inputs * dims.gates * itemsize
    cdef char* db = du + H * dims.gates * itemsize
    cdef char* dp = db + (dims.gates if dims.bias else 0) * itemsize
    weight_gradient(step, frame, &shape, scale, scratch.x, scratch.dz, dparams, db if dims.bias else NULL)
    shape.inputs = shape.x_row = H
    if dims.kind == GRU:
        shape.outputs = 2 * H
        weight_gradient(step, frame, &shape, scale, h, scratch.dz, du, NULL)
        shape.outputs = H
        if dims.resets_first:
            weight_gradient(step, frame, &shape, scale, job.memory.s + job.first * job.B * row, scratch.dz + 2 * row,
                            du + 2 * row, NULL)
        else:
            shape.y_row = H
            weight_gradient(step, frame, &shape, scale, h, scratch.dq, du + 2 * row,
                            db + dims.gates * itemsize if dims.bias else NULL)
    else:
        weight_gradient(step, frame, &shape, scale, h, scratch.dz, du, NULL)
    if dims.peepholes > 0:
        step.kernels.add_products(n, H, scale, scratch.dz, dims.gates, c, dp)
        if dims.forgets:
            step.kernels.add_products(n, H, scale, scratch.dz + row, dims.gates, c, dp + row)
        step.kernels.add_products(n, H, scale, scratch.dz + dims.gates * itemsize - row, dims.gates,
                                  c + job.B * row, dp + dims.peepholes * itemsize - row)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t B = frame.batch, itemsize = step.kernels.itemsize, row = dims.H * itemsize, T = dims.T
    cdef char* dx = frame.gradients[step.inputs[0]]
    cdef char* dstate = frame.gradients[step.inputs[1]] if step.n_inputs == 2 else NULL
    cdef char* dparams = dparams_of(step, frame)
    cdef Memory m
    cdef Scratch scratch
    cdef Job job
    cdef fnn_shape shape
    cdef Py_ssize_t block = backward_block_rows(dims, B, itemsize) // B, last = T
    lay_out(dims, B, T * B, itemsize, True, frame.saved[step.index], &m)
    lay_out_backward(dims, B, block * B, itemsize, frame.scratch, &scratch)
    job = Job(step=step, frame=frame, dims=dims, memory=&m, scratch=&scratch, params=frame.params + step.params,
              stepwise=stepwise(dims, B, itemsize), B=B, first=0, T=T, parts=1)
    copy_peephole(&job)
    pack(step, dims.gates, dims.H, recurrent_weight(&job), dims.gates, True, scratch.u)
    if job.stepwise and dx != NULL:
        pack(step, dims.gates, dims.inputs, job.params, dims.gates, True, scratch.w)
    in_parts(open_gradient, &job, B, 1, 2 * B * row, 2 * PLAIN)
    while last > 0:
        if frame.watched and stopped():
            return FAILED
        job.first = max(last - block, 0)
        job.T = last - job.first
        job.parts = parts_for(&job)
        run_parts(backward_rows, &job, job.parts)
        if not job.stepwise and dx != NULL:
            shape = whole(T * B, dims.inputs, dims.gates)
            if is_time_major(dims, B):
                scratch.dx = dx
            input_gradient(step, frame, &shape, scratch.dz, job.params, scratch.dx)
            if not is_time_major(dims, B):
                rows_in_parts(from_time_major, &job, dims.inputs)
        if dparams != NULL:
            if is_time_major(dims, B):
                scratch.x = frame.values[step.inputs[0]]
            else:
                rows_in_parts(to_time_major, &job, dims.inputs)
            add_weight_gradients(step, &job, frame.scale * step.rate, dparams)
        last = job.first
    if dstate != NULL:
        copy_rows(B, row, m.dh, row, dstate, (2 if dims.kind == LSTM else 1) * row)
        if dims.kind == LSTM:
            copy_rows(B, row, scratch.dc, row, dstate + row, 2 * row)
    return OK


cdef class RecurrentOp(Op):
    """x (T, I), and a state (S, H) if ``initial``, to the sequence (T, H) or its last step, then (S, H) if ``final``.

    ``kind`` is a key of ``KINDS``; S is 2 for an LSTM (h and c), else 1.  ``mask_value``: steps all of whose inputs
    are that count for nothing, None: all count.  ``truncate``: gradients do not pass every truncate-th step, 0: they do.
    """

    cdef Dims dims

    def __init__(self, str kind, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, *, bint bias, bint sequences, bint final,
                 bint initial, bint reverse, mask_value, Py_ssize_t truncate, str activation="tanh",
                 bint forgets=True, bint peepholes=False, bint resets_first=False):
        cdef Py_ssize_t gates = {"simple": 1, "lstm": 3 + forgets, "gru": 3}[kind]
        cdef Py_ssize_t states = 2 if kind == "lstm" else 1
        self.forward, self.backward, self.config = forward, backward, &self.dims
        width = (T if sequences else 1) * H + (states * H if final else 0)
        self.dims = Dims(kind=KINDS[kind], T=T, inputs=I, H=H, gates=gates * H, width=width, truncate=truncate,
                         activation=ACTIVATIONS[activation], forgets=forgets,
                         resets_first=resets_first,
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
        if bias and kind == "gru" and not resets_first:
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
        # Of fewer rows another way is taken, which may need more.
        return max(self.scratch_of(batch, itemsize, training),
                   self.scratch_of(min(batch, 2 * PART_ROWS - 1), itemsize, training))

    cdef Py_ssize_t scratch_of(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        cdef Memory m
        cdef Scratch scratch
        cdef Py_ssize_t rows = block_rows(&self.dims, batch, itemsize)
        cdef char* end = lay_out_forward(&self.dims, batch, rows, itemsize, NULL, &scratch)
        if not training:
            return <Py_ssize_t> lay_out(&self.dims, batch, rows, itemsize, False, end, &m)
        rows = backward_block_rows(&self.dims, batch, itemsize)
        return max(<Py_ssize_t> end, <Py_ssize_t> lay_out_backward(&self.dims, batch, rows, itemsize, NULL, &scratch))
