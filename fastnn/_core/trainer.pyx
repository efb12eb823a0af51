"""Training: gather, forward, loss, backward, update, batch after batch in one call without the GIL."""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.math cimport isfinite
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fastnn._core.claim cimport claim, let_go
from fastnn._core.table cimport fnn_random, random_permutation
from fastnn._core.loss cimport LossStep, run_loss
from fastnn._core.optimizer cimport Optimizer
from fastnn._core.plan cimport (GIL_WORK, Plan, Workspace, raise_pending, require_rows, run_backward, run_commit,
                                run_forward, take_input, take_rows)
from fastnn._core.pool cimport run_parts, threads
from fastnn._core.ops.recurrent cimport RecurrentOp
from fastnn._core.step cimport DIVERGED, Frame, OK, Step
from fastnn._core.views cimport view

import numpy as np

from fastnn._core.table import LOSSES
from fastnn._core.plan import aligned_zeros
from fastnn.errors import DivergenceError

cnp.import_array()

cdef extern from "time.h" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int TIME_UTC
    int timespec_get(timespec* ts, int base)

cdef Py_ssize_t EVALUATION_ROWS = 256
cdef double TICK = 0.05  # seconds between two looks at signals and the progress display

NOT_FINITE = ("parameters became NaN or infinite; lower the learning rate, clip the gradient (clip_norm) or standardise "
              "the data")


cdef inline double now() noexcept nogil:
    cdef timespec ts
    timespec_get(&ts, TIME_UTC)
    return <double> ts.tv_sec + 1e-9 * <double> ts.tv_nsec

cdef enum:
    PIECE_PARAMS = 1 << 15      # of the largest network whose mini-batches are cut
    PIECE_ROWS = 64             # worth a thread, up to GROUPS of them
    PIECE_WORK = 1 << 17        # multiply-adds of a mini-batch that are worth two
    PIECE_BYTES = 1 << 19       # of activations and their gradients that fit into a core's cache beside the rest

cdef void descend_groups(void* argument, Py_ssize_t part) noexcept nogil:
    (<Trainer> (<const Pieces*> argument).trainer).descend_groups(<const Pieces*> argument, part)


cdef class Trainer:
    """A plan bound to losses and an optimiser.

    ``losses``: one dict per output with ``kernel`` (a key of ``LOSSES`` or a CustomLoss), ``label_kernel`` (a key or
    None), ``parameter``, ``share``, ``tensor``, ``steps`` (losses in a row).  ``skip``: steps that a loss includes (a
    softmax under cross-entropy).  ``rates``: by step the factor on the learning rate, 0 for a frozen one.  ``shared``: some parameters serve two
    steps, so no step may update them while another still needs the old ones.
    """

    def __init__(self, Plan plan, cnp.ndarray params, cnp.ndarray grads, Optimizer optimizer, losses, skip, rates,
                 bint shared, *, seed=0, step=0):
        self.plan, self.params, self.grads, self.optimizer = plan, params, grads, optimizer
        self.seed, self.step, self.kernels = seed, step, plan.kernels
        self.parts, self.idle = list(losses), []
        self.n_losses, self.n_inputs = len(losses), len(plan.inputs)
        self.losses = <LossStep*> calloc(len(losses), sizeof(LossStep))
        self.rows.inputs = <const char**> calloc(self.n_inputs, sizeof(char*))
        self.rows.targets = <const char**> calloc(len(losses), sizeof(char*))
        self.lanes = <Lane*> calloc(GROUPS, sizeof(Lane))
        self.sizes = <Py_ssize_t*> calloc(max(plan.n_steps, 1), sizeof(Py_ssize_t))
        self.steps = <Step*> malloc(max(plan.n_steps, 1) * sizeof(Step))
        if not (self.losses and self.rows.inputs and self.rows.targets and self.lanes and self.sizes
                and self.steps):
            raise MemoryError("Trainer: no memory for the steps")
        for i, loss in enumerate(losses):
            self.losses[i].tensor, self.losses[i].parameter = loss["tensor"], loss["parameter"]
            self.losses[i].share, self.losses[i].steps = loss["share"], loss["steps"]
            self.losses[i].width = plan.widths[loss["tensor"]] // loss["steps"]
            if isinstance(loss["kernel"], str):
                self.losses[i].real_value = plan.kernels.loss[<int> LOSSES[loss["kernel"]]]
            else:
                self.losses[i].custom = <PyObject*> loss["kernel"]
            if loss["label_kernel"] is not None:
                self.losses[i].label_value = plan.kernels.loss[<int> LOSSES[loss["label_kernel"]]]
            self.take_targets(&self.losses[i], False)
        early = not shared and not any(op.backward_may_fail for op in plan.ops)
        self.fused = optimizer.plain and early
        self.hot = optimizer.by_parts and not optimizer.plain and early
        for i in range(plan.n_joined):
            index = plan.joined[<int> i].index
            if index not in skip:
                self.steps[self.n_steps] = plan.joined[<int> i]
                self.steps[self.n_steps].trainable = rates[index] != 0.0
                self.steps[self.n_steps].rate = rates[index] if self.fused else 1.0
                self.sizes[self.n_steps] = sum(int(np.prod(part.shape)) for part in plan.ops[index].parameters)
                if rates[index] != 0.0:
                    self.commits |= plan.joined[<int> i].commit != NULL
                    self.least_rows = max(self.least_rows, <Py_ssize_t> plan.ops[index].least_rows)
                self.n_steps += 1
        self.wanted = self._wanted_gradients(rates)
        self.calls_functions = (any(op.backward_may_fail for op in plan.ops)
                                or any(not isinstance(loss["kernel"], str) for loss in losses))
        self.works = []
        self.piece = 0 if any(op.may_fail or op.couples_rows for op in plan.ops) else self._piece_rows()

    def __dealloc__(self):
        free(self.losses)
        free(self.rows.inputs)
        free(self.rows.targets)
        for i in range(GROUPS if self.lanes != NULL else 0):
            free(self.lanes[i].targets)
        free(self.lanes)
        free(self.sizes)
        free(self.steps)

    def _wanted_gradients(self, rates):
        """By tensor: does it depend on a parameter that learns?"""
        wanted = [False] * len(self.plan.widths)
        for index, op in enumerate(self.plan.ops):
            learns = (bool(op.parameters) and rates[index] != 0.0) or any(
                wanted[tensor] for tensor in self.plan.step_inputs(index))
            for tensor in self.plan.step_outputs(index):
                wanted[tensor] = learns
        return tuple(wanted)

    def _piece_rows(self):
        """Rows that go through a small network at a time, so that what they leave stays in a core's cache.

        0 if the network is too large for each group of pieces to have a gradient of its own, or if a loss is a
        function of the user's, which sees whole mini-batches.
        """
        if self.plan.n_params > PIECE_PARAMS or any(self.losses[i].custom != NULL for i in range(self.n_losses)):
            return 0
        rows = PIECE_BYTES // (2 * sum(self.plan.widths) * self.plan.dtype.itemsize)
        return min(max(rows // 16 * 16, 64), 1024)

    cdef bint cuts(self, Py_ssize_t size) noexcept nogil:
        """Is a mini-batch of ``size`` rows worked on in pieces?  This depends on nothing but shapes: see the bits."""
        return self.piece > 0 and size >= 2 * PIECE_ROWS and size * self.plan.products >= PIECE_WORK

    cdef Py_ssize_t pieces(self, Py_ssize_t size) noexcept nogil:
        """Pieces of a mini-batch that is cut, an even number, of equal sizes: two threads end together."""
        return max(size // self.piece, min(<Py_ssize_t> GROUPS, size // PIECE_ROWS)) // 2 * 2

    cdef void take_targets(self, LossStep* loss, bint labels) noexcept nogil:
        """Expect int64 labels, or one real number per element that the loss reads."""
        loss.value = loss.label_value if labels else loss.real_value
        loss.target_bytes = loss.steps * (sizeof(cnp.int64_t) if labels else loss.width * self.kernels.itemsize)

    cdef int expect(self, LossStep* loss, target) except -1:
        """Expect targets such as this array."""
        self.take_targets(loss, loss.label_value != NULL and target.dtype == np.int64)
        return 0

    cdef int lanes_for(self, Py_ssize_t size) noexcept nogil:
        """Lanes that a mini-batch of ``size`` rows uses."""
        return min(threads(), <int> GROUPS) if self.cuts(size) else 1

    cdef bint ready(self, Py_ssize_t size) noexcept nogil:
        """Is there memory for mini-batches of ``size`` rows, on as many threads as there are?"""
        return self.capacity >= size and self.n_lanes >= self.lanes_for(size)

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Have that memory."""
        cdef Py_ssize_t rows = capacity
        if self.cuts(capacity):
            rows = 2 * max(self.piece, <Py_ssize_t> PIECE_ROWS)
            if self.partial is None:
                self.partial = aligned_zeros(GROUPS * self.plan.n_params, self.plan.dtype)
        if self.capacity < capacity:
            self.weights = aligned_zeros(capacity * max([loss["steps"] for loss in self.parts], default=1),
                                         self.plan.dtype)
            if not self.works or (<Workspace> self.works[0]).capacity < rows:
                self.works, self.gathered, self.n_lanes, self.capacity = [], [], 0, 0
                self.add_lane(rows)
            self.own_weights, self.capacity = <char*> cnp.PyArray_DATA(self.weights), capacity
        while self.n_lanes < self.lanes_for(capacity):
            self.add_lane(rows)
        return 0

    cdef void add_lane(self, Py_ssize_t rows) except *:
        """Have one more lane, for ``rows`` rows at a time."""
        cdef Lane* lane = &self.lanes[self.n_lanes]
        cdef Workspace work = Workspace(self.plan, rows, self.wanted, sources=[loss["tensor"] for loss in self.parts])
        targets = [aligned_zeros(rows * self.losses[i].steps * max(self.losses[i].width, 2) * self.kernels.itemsize,
                                 np.uint8)
                   for i in range(self.n_losses)]
        if lane.targets == NULL:
            lane.targets = <char**> calloc(max(self.n_losses, 1), sizeof(char*))
            if lane.targets == NULL:
                raise MemoryError("Trainer: no memory for targets")
        for i, target in enumerate(targets):
            lane.targets[i] = <char*> cnp.PyArray_DATA(target)
        work.open(cnp.PyArray_DATA(self.params), True, self.seed, self.step)
        lane.frame, lane.slots = &work.frame, work.slots
        self.works.append(work)
        self.gathered += targets
        self.n_lanes += 1

    def workspace(self, Py_ssize_t capacity=1):
        """The memory in use, for tests."""
        self.reserve(capacity)
        return self.works[0]

    cdef int descend(self, Lane* lane, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale,
                     char* dparams, double dscale, bint update, double rate) noexcept nogil:
        """Forward, loss and backward on rows start .. start + size; leaves the loss, times ``scale``, in the lane.

        ``update``: parameters are updated step by step on the way back.  Nothing is added or updated if the loss is
        not finite.
        """
        cdef Py_ssize_t itemsize = self.kernels.itemsize
        cdef const cnp.int64_t* order = self.rows.order
        cdef Frame* frame = lane.frame
        cdef const char* target
        cdef LossStep* part
        cdef double total = 0.0
        cdef int i, status
        lane.loss = 0.0
        for i in range(self.n_inputs):
            take_input(frame, &lane.slots[i], self.rows.inputs[i], order, start, size)
        frame.batch, frame.seed, frame.step = size, self.seed, self.step
        status = run_forward(self.steps, self.n_steps, frame)
        if status != OK:
            return status
        for i in range(self.n_losses):
            part = &self.losses[i]
            target = take_rows(self.rows.targets[i], part.target_bytes, order, start, size, lane.targets[i])
            status = run_loss(part, itemsize, size, frame.values[part.tensor], target, weights, self.rows.weights_each,
                              scale * part.share, frame.gradients[part.tensor], &total)
            if status != OK:
                return status
            lane.loss += part.share * scale * total
        if not isfinite(lane.loss):
            return DIVERGED
        frame.dparams, frame.scale = dparams, dscale
        if update:
            self.backward_and_update(lane, rate)
            return OK
        return run_backward(self.steps, self.n_steps, frame)

    cdef void backward_and_update(self, Lane* lane, double rate) noexcept nogil:
        """Backward, each step's parameters updated while their gradient is in the cache."""
        cdef Frame* frame = lane.frame
        cdef Py_ssize_t itemsize = self.kernels.itemsize, start
        cdef const Step* step
        cdef int i
        self.optimizer.begin()
        for i in range(self.n_steps - 1, -1, -1):
            step = &self.steps[i]
            if frame.gradients[step.outputs[0]] == NULL:
                continue
            if self.sizes[i] > 0:
                memset(frame.dparams + step.params, 0, self.sizes[i] * itemsize)
            step.backward(step, frame)
            if self.sizes[i] > 0:
                start = step.params // itemsize
                self.optimizer.apply_part(<char*> cnp.PyArray_DATA(self.params), frame.dparams, rate, start,
                                          start + self.sizes[i])

    cdef void descend_groups(self, const Pieces* job, Py_ssize_t part) noexcept nogil:
        """Groups part, part + parts, ... in the lane of that number."""
        cdef Lane* lane = &self.lanes[part]
        cdef Py_ssize_t group = part, piece, first, size, itemsize = self.kernels.itemsize
        cdef const char* weights = NULL
        cdef char* dparams
        lane.status = OK
        while group < job.groups:
            self.group_losses[group] = 0.0
            dparams = job.partial + group * self.plan.n_params * itemsize
            memset(dparams, 0, self.plan.n_params * itemsize)
            for piece in range(group * job.pieces // job.groups, (group + 1) * job.pieces // job.groups):
                first = job.size * piece // job.pieces
                size = job.size * (piece + 1) // job.pieces - first
                lane.frame.first_row = first
                if job.weights != NULL:
                    weights = job.weights + first * self.rows.weights_each * itemsize
                lane.status = self.descend(lane, job.start + first, size, weights, job.scale, dparams, 1.0, False, 0.0)
                if lane.status != OK:
                    return
                self.group_losses[group] += lane.loss
            group += job.parts

    cdef int descend_in_pieces(self, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale,
                               double* loss) noexcept nogil:
        """As ``descend``, piece by piece and on several threads; leaves the gradient in ``grads``.

        The pieces fall into groups, each with a gradient of its own, and these are added in order, so that the bits
        do not depend on how many threads there are.
        """
        cdef Py_ssize_t n_params = self.plan.n_params, itemsize = self.kernels.itemsize
        cdef char* grads = <char*> cnp.PyArray_DATA(self.grads)
        cdef char* partial = <char*> cnp.PyArray_DATA(self.partial)
        cdef Py_ssize_t pieces = self.pieces(size)
        cdef Py_ssize_t groups = min(pieces, <Py_ssize_t> GROUPS), lanes = min(self.n_lanes, threads())
        cdef Pieces job = Pieces(trainer=<PyObject*> self, start=start, size=size, pieces=pieces, groups=groups,
                                 parts=min(lanes, groups), weights=weights, scale=scale, partial=partial)
        cdef int i
        run_parts(descend_groups, &job, job.parts)
        for i in range(job.parts):
            if self.lanes[i].status != OK:
                loss[0] = self.lanes[i].loss
                return self.lanes[i].status
        loss[0] = self.group_losses[0]
        memcpy(grads, partial, n_params * itemsize)
        for i in range(1, <int> job.groups):
            loss[0] += self.group_losses[i]
            self.kernels.add(n_params, grads, partial + i * n_params * itemsize, grads)
        return OK if isfinite(loss[0]) else DIVERGED

    cdef int batch(self, Py_ssize_t start, Py_ssize_t size, double rate, bint update, double* loss,
                   double* weight) noexcept nogil:
        """One step on rows start .. start + size; ``loss`` is the mean over rows, ``weight`` the sum of their weights.

        Without ``update`` the gradients stay in ``grads``.  Parameters change only after a finite loss.
        """
        cdef Py_ssize_t itemsize = self.kernels.itemsize, n_params = self.plan.n_params, each = self.rows.weights_each
        cdef const char* weights = self.rows.weights
        cdef char* params = <char*> cnp.PyArray_DATA(self.params)
        cdef char* grads = <char*> cnp.PyArray_DATA(self.grads)
        cdef double scale
        cdef bint fused = self.fused and update, hot = self.hot and update
        cdef int status
        if weights != NULL:
            weights = take_rows(weights, each * itemsize, self.rows.order, start, size, self.own_weights)
        weight[0] = <double> size if weights == NULL else self.kernels.sum(size * each, weights)
        scale = 1.0 / weight[0] if weight[0] > 0.0 else 0.0
        if self.optimizer.shares:
            self.optimizer.share = scale
            self.penalty_sum += self.optimizer.squares(params) * scale * size
        if self.cuts(size):
            fused = hot = False
            status = self.descend_in_pieces(start, size, weights, scale, loss)
        else:
            if not (fused or hot):
                memset(grads, 0, n_params * itemsize)
            self.lanes[0].frame.first_row = 0
            status = self.descend(&self.lanes[0], start, size, weights, scale, params if fused else grads,
                                  -rate if fused else 1.0, hot, rate)
            loss[0] = self.lanes[0].loss
        if status != OK or not update:
            return status
        if fused:
            self.optimizer.step += 1
        elif not hot and self.fused:    # the steps have seen to the factors on the rate
            self.optimizer.step += 1
            self.kernels.add_scaled(n_params, -rate, grads, params)
        elif not hot:
            self.optimizer.apply(params, grads, rate)
        if self.commits:
            run_commit(self.steps, self.n_steps, self.lanes[0].frame, params)
        self.step += 1
        return OK

    cdef int point(self, inputs, targets, weights, order) except -1:
        """Say which rows the next batches come from: packed arrays that the caller keeps alive."""
        for i, array in enumerate(inputs):
            self.rows.inputs[i] = <const char*> cnp.PyArray_DATA(array)
        for i, array in enumerate(targets):
            self.rows.targets[i] = <const char*> cnp.PyArray_DATA(array)
            self.expect(&self.losses[i], array)
        self.rows.weights, self.rows.order = NULL, NULL
        if weights is not None:
            self.rows.weights = <const char*> cnp.PyArray_DATA(weights)
            self.rows.weights_each = weights.size // len(weights)
        if order is not None:
            self.rows.order = <const cnp.int64_t*> cnp.PyArray_DATA(order)
        return 0

    cdef int sweep(self, Py_ssize_t n, Py_ssize_t batch_size, const double* rate, tick, Sweep* sums) except -1 nogil:
        """Learn from ``n`` of the rows pointed at, once; returns a status, and why by ``sums.loss`` if it diverged."""
        cdef Py_ssize_t start = 0, size
        cdef double weight = 0.0
        cdef int status
        sums.loss_sum = sums.weight_sum = 0.0
        while start < n:
            size = min(batch_size, n - start)
            status = self.batch(start, size, rate[0], True, &sums.loss, &weight)
            if status != OK:
                return status
            rate += 1
            start += size
            sums.loss_sum += sums.loss * weight
            sums.weight_sum += weight
            if now() - sums.looked > TICK:
                self.look(start, tick, sums)
        return OK

    cdef int look(self, Py_ssize_t done, tick, Sweep* sums) except -1 with gil:
        """See whether anybody wants the training to end, and tell how far it is."""
        PyErr_CheckSignals()
        if tick is not None:
            tick(done, sums.loss_sum / sums.weight_sum if sums.weight_sum > 0.0 else 0.0)
        sums.looked = now()
        return 0

    cdef int judge(self, int status, double loss) except -1:
        """Raise what a status means."""
        if status == DIVERGED:
            raise DivergenceError(f"the loss became {loss} after {self.optimizer.step} updates; lower the learning "
                                  "rate, clip the gradient (clip_norm) or standardise the data")
        if status != OK:
            raise_pending()
        return 0

    def run(self, inputs, targets, weights, order, Py_ssize_t n, Py_ssize_t batch_size, rates, tick=None):
        """Learn from ``n`` rows in mini-batches, in ``order`` (int64 row numbers) or as they lie.

        ``rates``: the learning rate of each mini-batch, float64.  ``tick(rows done, mean loss so far)`` is called
        about every 50 ms.  Returns the sum of weighted losses and the sum of weights.

        Raises
        ------
        DivergenceError
            If the loss of a mini-batch is not finite; the parameters are those before it.
        ValueError
            If a layer needs more rows than a mini-batch would have.
        """
        cdef const double* rate = <const double*> cnp.PyArray_DATA(rates)
        cdef Sweep sums
        cdef int status = OK
        self.enter(min(batch_size, n), n % batch_size)
        try:
            self.point(inputs, targets, weights, order)
            self.penalty_sum = 0.0
            with nogil:
                sums.looked = now()
                status = self.sweep(n, batch_size, rate, tick, &sums)
        finally:
            let_go(&self.busy)
        self.judge(status, sums.loss)
        return sums.loss_sum, sums.weight_sum

    def run_epochs(self, inputs, targets, weights, rows, Py_ssize_t n, Py_ssize_t batch_size, rates, losses,
                   shuffle=None, tick=None):
        """As ``run`` once for each of ``losses``, without the GIL between the epochs either.

        ``rows``: the ``n`` rows to learn from (int64 row numbers), None: all.  ``rates``: of each mini-batch of all
        epochs, float64.  ``losses``, float64: become the mean loss of each epoch, ``epochs_done`` of them.
        ``shuffle``: (seed, stream, step) of the first epoch's permutation of the rows, the step growing by 1 with every
        epoch; None: they are taken as they come.

        Raises
        ------
        DivergenceError
            If the loss of a mini-batch is not finite, or a parameter at the end of an epoch.
        ValueError
            If a layer needs more rows than a mini-batch would have.
        """
        cdef const double* rate = <const double*> cnp.PyArray_DATA(rates)
        cdef double* loss = <double*> cnp.PyArray_DATA(losses)
        cdef Py_ssize_t epochs = len(losses), n_batches = (n + batch_size - 1) // batch_size, i
        cdef bint shuffled = shuffle is not None, chosen = rows is not None, finite = True
        cdef cnp.int64_t* order = NULL
        cdef const cnp.int64_t* chosen_rows = <const cnp.int64_t*> cnp.PyArray_DATA(rows) if chosen else NULL
        cdef fnn_random random
        cdef Sweep sums
        cdef int status = OK
        self.require_idle()
        self.epochs_done, self.penalty_sum = 0, 0.0
        self.enter(min(batch_size, n), n % batch_size)
        try:
            drawn = np.empty(n, np.int64) if shuffled else rows
            self.point(inputs, targets, weights, drawn)
            if shuffled:
                random = fnn_random(shuffle[0], shuffle[2], shuffle[1])
                order = <cnp.int64_t*> cnp.PyArray_DATA(drawn)
            with nogil:
                sums.looked = now()
                while self.epochs_done < epochs and status == OK and finite:
                    if shuffled:
                        random_permutation(n, &random, 0, order)
                        random.step += 1
                        if chosen:
                            for i in range(n):
                                order[i] = chosen_rows[order[i]]
                    status = self.sweep(n, batch_size, rate, tick, &sums)
                    finite = self.kernels.all_finite(self.plan.n_params, cnp.PyArray_DATA(self.params)) != 0
                    if status == OK and finite:
                        loss[self.epochs_done] = sums.loss_sum / sums.weight_sum if sums.weight_sum > 0.0 else 0.0
                        self.epochs_done += 1
                        rate += n_batches
        finally:
            let_go(&self.busy)
        self.judge(status, sums.loss)
        if not finite:
            raise DivergenceError(NOT_FINITE)

    cpdef int require_idle(self) except -1:
        """Refuse a second training call at a time.

        Raises
        ------
        RuntimeError
            If another call is at work.
        """
        self.begin()
        let_go(&self.busy)
        return 0

    cdef int begin(self) except -1:
        """Be the only call that trains, until ``busy`` is let go."""
        if not claim(&self.busy):
            raise RuntimeError("this network is being trained by another call; train a copy.deepcopy of it instead")
        return 0

    cdef int enter(self, Py_ssize_t batch_size, Py_ssize_t rest) except -1:
        """Begin a call on mini-batches of ``batch_size`` rows and, if it is not 0, one of ``rest``: be the only one,
        and have the memory."""
        cdef Py_ssize_t least = min(batch_size, rest) if rest else batch_size
        self.begin()
        if least < self.least_rows or not self.ready(batch_size):
            try:
                require_rows(self.plan, self.steps, self.n_steps, least)
                self.reserve(batch_size)
            except BaseException:
                let_go(&self.busy)
                raise
        return 0

    cdef double one_step(self, Py_ssize_t n, double rate, bint update) except? -1.0:
        """One mini-batch of the ``n`` rows pointed at, after ``enter``; returns the loss."""
        cdef double loss = 0.0, weight = 0.0
        cdef int status
        if n * self.plan.products < GIL_WORK:
            status = self.batch(0, n, rate, update, &loss, &weight)
        else:
            with nogil:
                status = self.batch(0, n, rate, update, &loss, &weight)
        let_go(&self.busy)
        return self.outcome(status, loss)

    cdef double outcome(self, int status, double loss) except? -1.0:
        """The loss of one step, or the exception that its status stands for."""
        if status == DIVERGED:
            raise DivergenceError(f"train_step: the loss is {loss}; the parameters were left as they are; lower the "
                                  "learning rate, clip the gradient (clip_norm) or standardise the data")
        if status != OK:
            raise_pending()
        return loss

    def step_on(self, inputs, targets, weights, Py_ssize_t n, double rate, bint update=True):
        """One mini-batch of packed arrays; ``update`` False leaves the gradient in ``grads`` and changes nothing else."""
        self.enter(n, 0)
        self.point(inputs, targets, weights, None)
        return self.one_step(n, rate, update)

    def state_gradients(self, inputs, targets, weights, Py_ssize_t n):
        """The gradient of the loss with respect to h after each time step (T, n, H), by step of the plan.

        As ``step_on`` without ``update``; of recurrent steps that something depends on which learns.
        """
        cdef Py_ssize_t piece = self.piece, itemsize = self.kernels.itemsize
        cdef double loss = 0.0, weight = 0.0
        cdef int status
        cdef Workspace work
        self.begin()
        self.piece = 0      # all rows in one workspace
        self.works, self.gathered, self.n_lanes, self.capacity = [], [], 0, 0
        try:
            require_rows(self.plan, self.steps, self.n_steps, n)
            self.reserve(n)
            self.point(inputs, targets, weights, None)
            with nogil:
                status = self.batch(0, n, 0.0, False, &loss, &weight)
            self.outcome(status, loss)
            work = self.works[0]
        finally:
            self.piece = piece
            self.works, self.gathered, self.n_lanes, self.capacity = [], [], 0, 0
            let_go(&self.busy)
        result = {}
        for index, op in enumerate(self.plan.ops):
            if isinstance(op, RecurrentOp) and self.wanted[self.plan.step_outputs(index)[0]]:
                offset, shape = op.state_gradients(n, itemsize)
                result[index] = view(work.frame.saved[<int> index] + <Py_ssize_t> offset, itemsize, shape, False).copy()
        return result

    def evaluate(self, inputs, targets, weights, outputs, Py_ssize_t n):
        """Return the sum of weighted losses and of weights over ``n`` rows; write the network's outputs to ``outputs``.

        Nothing learns and nothing is dropped out.  Touches nothing that another thread's call could be using.
        """
        cdef Py_ssize_t chunk = min(n, EVALUATION_ROWS), start = 0, size, itemsize = self.kernels.itemsize, width
        cdef Py_ssize_t each = 1 if weights is None else weights.size // len(weights)
        cdef Workspace work = self.idle.pop() if self.idle else None
        cdef const char* row_weights = NULL
        cdef const char* source
        cdef double loss_sum = 0.0, weight_sum = 0.0, total = 0.0
        cdef LossStep part
        cdef int i, status = OK, tensor
        if work is None or work.capacity < chunk:
            work = Workspace(self.plan, chunk, share=False)
        work.open(cnp.PyArray_DATA(self.params), False, self.seed, self.step)
        while start < n:
            size = min(chunk, n - start)
            work.frame.batch = size
            for i, array in enumerate(inputs):
                take_input(&work.frame, &work.slots[i], <const char*> cnp.PyArray_DATA(array), NULL, start, size)
            with nogil:
                status = run_forward(self.plan.steps, self.plan.n_steps, &work.frame)
            if status != OK:
                raise_pending()
            if weights is not None:
                row_weights = <const char*> cnp.PyArray_DATA(weights)
                row_weights += start * each * itemsize
            for i, array in enumerate(targets):
                part = self.losses[i]
                self.expect(&part, array)
                source = <const char*> cnp.PyArray_DATA(array)
                status = run_loss(&part, itemsize, size, work.frame.values[part.tensor],
                                  source + start * part.target_bytes, row_weights, each, 1.0, NULL, &total)
                if status != OK:
                    raise_pending()
                loss_sum += part.share * total
            weight_sum += <double> size if row_weights == NULL else self.kernels.sum(size * each, row_weights)
            for i, output in enumerate(outputs):
                tensor = self.plan.outputs[i]
                width = self.plan.widths[tensor]
                memcpy(<char*> cnp.PyArray_DATA(output) + start * width * itemsize, work.frame.values[tensor],
                       size * width * itemsize)
            start += size
            PyErr_CheckSignals()
        self.idle.append(work)
        return loss_sum, weight_sum

    def apply_gradients(self, double rate):
        """Update the parameters by what stands in ``grads``."""
        self.begin()
        self.optimizer.share = 1.0
        self.optimizer.apply(<char*> cnp.PyArray_DATA(self.params), <char*> cnp.PyArray_DATA(self.grads), rate)
        self.step += 1
        let_go(&self.busy)
