"""Training: gather, forward, loss, backward, update, batch after batch in one call without the GIL."""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetObject
from cpython.object cimport PyObject
from libc.math cimport isfinite
from libc.string cimport memcpy, memset

from fastnn._core.carry cimport backward_step, mark
from fastnn._core.guard cimport COPY_SHARE, LONG_SHARE, Guard
from fastnn._core.held cimport hold, hold_all, require_packed
from fastnn._core.memory cimport zeros
from fastnn._core.products cimport multiply_add_work
from fastnn._core.table cimport fnn_kernels, fnn_random, random_permutation
from fastnn._core.lanes cimport Lane
from fastnn._core.hits cimport Hits, add_hits, count_hits, hit_rate
from fastnn._core.loss cimport LossStep, labels_changed, run_loss
from fastnn._core.plan cimport GIL_WORK, Plan, require_ok, require_rows, run_backward, run_commit, run_forward
from fastnn._core.parts cimport LINE, PLAIN, RULE, all_finite, clear, in_parts
from fastnn._core.pool cimport (
    LONG, expect, fnn_float_forget, fnn_float_met, fnn_watch, run_parts, signals, stopped, watch, worth)
from fastnn._core.step cimport CHANGED, DIVERGED, FAILED, Frame, OK, OVERFLOWED
from fastnn._core.views cimport view
from fastnn._core.workspace cimport Order, Workspace, take_input, take_rows

from math import prod

import numpy as np

from fastnn._core.evaluator import LABELS_CHANGED
from fastnn._core.versions import BUSY
from fastnn.errors import DivergenceError

cnp.import_array()

# A mini-batch in micro-batches, and the threads that share their groups.
cdef struct Cut:
    PyObject* trainer
    Py_ssize_t start
    Py_ssize_t size
    Py_ssize_t micro_batches
    Py_ssize_t groups
    Py_ssize_t first            # of the groups of this process
    Py_ssize_t last             # behind them
    Py_ssize_t parts
    const char* weights
    double scale

# What comes of going through the rows once.
cdef struct Sums:
    double loss                 # of the last mini-batch
    double loss_sum             # times weights
    double weight_sum
    double checked              # when signals were checked last

cdef extern from "time.h" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int TIME_UTC
    int timespec_get(timespec* ts, int base)

cdef enum:
    STRETCH = 256       # elements of all groups' gradients that are added up at a time: of 16 groups half a nearest cache

cdef double TICK = 0.05  # seconds between two checks for signals and updates of the progress display

ADVICE = "lower the learning rate, clip the gradient (clip_norm) or standardise the data"
NOT_FINITE = f"parameters became NaN or infinite; {ADVICE}"


cdef inline double now() noexcept nogil:
    cdef timespec ts
    timespec_get(&ts, TIME_UTC)
    return <double> ts.tv_sec + 1e-9 * <double> ts.tv_nsec


cdef int forward_backward(Trainer self, Lane* lane, Py_ssize_t start, Py_ssize_t size, const char* weights,
                          double scale, char* dparams, double dscale, bint update, double rate,
                          Hits* hits) noexcept nogil:
    """Forward, loss and backward on rows start .. start + size; leaves the loss, times ``scale``, in the lane.

    The backward pass adds ``dscale`` times the gradient to ``dparams``; with ``update`` each step's parameters are
    updated at ``rate`` right after it.  Nothing is added or updated if the loss is not finite.  ``hits``: by loss, where
    right decisions are counted, or NULL.
    """
    cdef const Order* order = &self.rows.order
    cdef Frame* frame = lane.frame
    cdef const char* target
    cdef LossStep* loss
    cdef double total = 0.0
    cdef int i, status
    lane.loss = 0.0
    for i in range(self.n_inputs):
        status = take_input(frame, &lane.slots[i], self.rows.inputs[i], order, start, size)
        if status != OK:
            return status
    frame.batch, frame.seed, frame.step, frame.watched = size, self.seed, self.step, self.watched
    status = run_forward(self.steps, self.n_steps, frame)
    if status != OK:
        return status
    for i in range(self.n_losses):
        loss = &self.losses[i]
        target = take_rows(self.rows.targets[i], loss.target_bytes, order, start, size, lane.targets[i])
        if target == NULL:
            return CHANGED
        status = run_loss(loss, self.kernels.itemsize, size, frame.values[loss.tensor], target, weights,
                          self.rows.weights_each, scale * loss.share, frame.gradients[loss.tensor], &total)
        if status != OK:
            return status
        if not isfinite(total) and labels_changed(loss, size, target):
            return CHANGED
        lane.loss += loss.share * scale * total
        if hits != NULL and loss.count.width > 0:
            count_hits(&hits[i], &loss.count, self.kernels.itemsize, size, frame.values[loss.tensor], target, weights,
                       self.rows.weights_each)
    if not isfinite(lane.loss):
        return DIVERGED
    frame.dparams, frame.scale = dparams, dscale
    if update:
        return backward_and_update(self, lane, rate)
    return run_backward(self.steps, self.n_steps, frame)


cdef int backward_and_update(Trainer self, Lane* lane, double rate) noexcept nogil:
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
            clear(frame.dparams + step.params, self.sizes[i] * itemsize)
        backward_step(step, frame)
        if self.sizes[i] > 0:
            start = step.params // itemsize
            self.optimizer.apply_part(<char*> cnp.PyArray_DATA(self.params), frame.dparams, rate, start,
                                      start + self.sizes[i])
        if frame.watched and stopped():
            return FAILED
    return OK


cdef void run_groups(Trainer self, const Cut* cut, Py_ssize_t part) noexcept nogil:
    """Groups first + part, first + part + parts, ... of a mini-batch that is cut, in the lane of that number."""
    cdef Lane* lane = &self.lanes.lanes[part]
    cdef Py_ssize_t group = cut.first + part, k, first, size, gradient_bytes = self.plan.n_params * self.kernels.itemsize
    cdef const char* weights = NULL
    cdef char* dparams
    cdef Hits* hits = NULL
    lane.status = OK
    while group < cut.last:
        self.group_losses[group] = 0.0
        dparams = self.lanes.gradients + (group - cut.first) * gradient_bytes
        memset(dparams, 0, gradient_bytes)
        if self.counting:
            hits = self.hits + (group + 1) * self.n_losses
            memset(hits, 0, self.n_losses * sizeof(Hits))
        for k in range(group * cut.micro_batches // cut.groups, (group + 1) * cut.micro_batches // cut.groups):
            first = cut.size * k // cut.micro_batches
            size = cut.size * (k + 1) // cut.micro_batches - first
            lane.frame.first_row = self.first_row + first
            if cut.weights != NULL:
                weights = cut.weights + first * self.rows.weights_each * self.kernels.itemsize
            lane.status = forward_backward(self, lane, cut.start + first, size, weights, cut.scale, dparams, 1.0, False,
                                           0.0, hits)
            if lane.status != OK:
                return
            self.group_losses[group] += lane.loss
        group += cut.parts


cdef void run_part(void* argument, Py_ssize_t part) noexcept nogil:
    run_groups(<Trainer> (<const Cut*> argument).trainer, <const Cut*> argument, part)


# The gradients of groups first .. last - 1 of a mini-batch, and where they are added up.
cdef struct Groups:
    const fnn_kernels* kernels
    char* gradients             # (last - first, n)
    Py_ssize_t count            # groups of the mini-batch
    Py_ssize_t first
    Py_ssize_t last
    Py_ssize_t n
    char* sums
    Py_ssize_t stride           # bytes from one sum to the next


cdef inline char* group_gradient(const Groups* groups, Py_ssize_t group, Py_ssize_t at) noexcept nogil:
    return groups.gradients + ((group - groups.first) * groups.n + at) * groups.kernels.itemsize


cdef void add_tree(const Groups* groups, Py_ssize_t first, Py_ssize_t last, Py_ssize_t at, Py_ssize_t n,
                   char* total) noexcept nogil:
    """total = elements at .. at + n - 1 of groups first .. last - 1: those of the first half, plus those of the second."""
    cdef Py_ssize_t middle = (first + last) // 2
    cdef char* a = group_gradient(groups, first, at)
    cdef char* b
    if last - first == 1:
        if total != a:
            memcpy(total, a, n * groups.kernels.itemsize)
        return
    b = group_gradient(groups, middle, at)
    add_tree(groups, first, middle, at, n, a)
    add_tree(groups, middle, last, at, n, b)
    groups.kernels.add(n, a, b, total)


cdef char* add_own(const Groups* groups, Py_ssize_t first, Py_ssize_t last, Py_ssize_t at, Py_ssize_t n,
                   char* total) noexcept nogil:
    """Of groups first .. last - 1, a node of the tree, add what this process has; returns where the next sum goes.

    A node that it has as a whole becomes one sum; of another, its halves are looked at.
    """
    cdef Py_ssize_t middle = (first + last) // 2
    if last <= groups.first or groups.last <= first:
        return total
    if groups.first <= first and last <= groups.last:
        add_tree(groups, first, last, at, n, total)
        return total + groups.stride
    total = add_own(groups, first, middle, at, n, total)
    return add_own(groups, middle, last, at, n, total)


cdef void add_groups(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Elements first .. last - 1, as a pairwise tree over the groups, so few at a time that they stay in the cache.

    The tree depends on the number of groups alone: processes that share them add up the same, each some nodes of it.
    """
    cdef const Groups* groups = <const Groups*> job
    cdef Py_ssize_t at = first, n
    while at < last:
        n = min(last - at, <Py_ssize_t> STRETCH)
        add_own(groups, 0, groups.count, at, n, groups.sums + at * groups.kernels.itemsize)
        at += n


# w += scale g, of stretches of the parameters.
cdef struct Descent:
    const fnn_kernels* kernels
    double scale
    const char* g
    char* w


cdef void descend(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Descent* descent = <const Descent*> job
    cdef Py_ssize_t at = first * descent.kernels.itemsize
    descent.kernels.add_scaled(last - first, descent.scale, descent.g + at, descent.w + at)


cpdef Py_ssize_t first_group(Py_ssize_t groups, Py_ssize_t rank, Py_ssize_t ranks) noexcept nogil:
    """The first group of a process.

    The cuts between processes are, of the nodes of the tree, those that are twice as many as processes, rounded up to a
    power of two: so a process has at most two sums to tell, and one if the processes are a power of two themselves.
    """
    cdef Py_ssize_t parts = 1
    while parts < 2 * ranks:
        parts *= 2
    return groups * (parts * rank // ranks) // parts


cdef int run_micro_batches(Trainer self, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale,
                           double* loss) noexcept nogil:
    """As ``forward_backward``, by micro-batches and on several threads; leaves the gradient in ``grads``.

    The gradients of the groups are added as a tree, so that the bits do not depend on how many threads there are, nor on
    how many processes: in a team this one goes through its groups alone, and leaves its sums for ``meet``.
    """
    cdef Py_ssize_t n_params = self.plan.n_params, itemsize = self.kernels.itemsize
    cdef Py_ssize_t micro_batches = self.lanes.micro_batches(size), groups = min(micro_batches, <Py_ssize_t> GROUPS)
    cdef Py_ssize_t first = first_group(groups, self.rank, self.ranks), last = first_group(groups, self.rank + 1, self.ranks)
    cdef Py_ssize_t own = last - first
    cdef Cut cut = Cut(trainer=<PyObject*> self, start=start, size=size, micro_batches=micro_batches, groups=groups,
                       first=first, last=last,
                       parts=min(own, min(<Py_ssize_t> self.lanes.n_lanes, worth(size * own // groups * self.row_work, (own + 2) * n_params * itemsize))), weights=weights,
                       scale=scale)
    cdef Groups sums = Groups(kernels=self.kernels, gradients=self.lanes.gradients, count=groups, first=first, last=last,
                              n=n_params, sums=<char*> cnp.PyArray_DATA(self.grads), stride=0)
    cdef int i
    if own == 0:
        return OK
    run_parts(run_part, &cut, cut.parts)
    for i in range(<int> cut.parts):
        if self.lanes.lanes[i].status != OK:
            loss[0] = self.lanes.lanes[i].loss
            return self.lanes.lanes[i].status
    if self.ranks > 1:
        sums.sums, sums.stride = self.sums, self.sum_bytes
    in_parts(add_groups, &sums, n_params, LINE, own * n_params * itemsize, PLAIN)
    return OK if self.ranks > 1 else add_scalars(self, groups, loss)


cdef int add_scalars(Trainer self, Py_ssize_t groups, double* loss) noexcept nogil:
    """Loss and right decisions of all groups, in their order."""
    cdef Py_ssize_t i
    loss[0] = self.group_losses[0]
    for i in range(1, groups):
        loss[0] += self.group_losses[i]
    if self.counting:
        for i in range(groups * self.n_losses):
            add_hits(&self.hits[i % self.n_losses], &self.hits[self.n_losses + i])
    return OK if isfinite(loss[0]) else DIVERGED


# What a process of a team says of a mini-batch beside its sums; the hits of all groups follow.
cdef struct Word:
    double status
    double groups               # of the mini-batch: at other meetings there are none
    double value                # a loss that is not finite, a decision
    double[GROUPS] losses


def word_bytes(n_losses):
    """How much a process says of a mini-batch beside its sums."""
    return sizeof(Word) + GROUPS * <Py_ssize_t> n_losses * sizeof(Hits)


cdef object failure():
    """The exception that is set, which is not any more."""
    try:
        require_ok(FAILED)
    except BaseException as error:
        return error


cdef int meet(Trainer self, Py_ssize_t groups, int status, double* loss) noexcept with gil:
    """Tell the team what came of this process's groups, and learn what came of all: the status, with the exception set if
    that is FAILED; if it is OK the gradient in ``grads``, the loss, and the right decisions.

    Of rows of its own (no groups) the mean of gradients, with loss and weight, or that of parameters is learned.
    """
    cdef Word* word = <Word*> cnp.PyArray_DATA(self.word)
    cdef Py_ssize_t hits = self.n_losses * sizeof(Hits), rank, group
    error = failure() if status == FAILED else None
    try:
        if groups == 0:
            self.own_rows.loss = loss[0]
            status = self.team.tell(status, error)
            loss[0] = self.own_rows.loss
            return status
        word.value = loss[0]
        for group in range(first_group(groups, self.rank, self.ranks), first_group(groups, self.rank + 1, self.ranks)):
            word.losses[group] = self.group_losses[group]
            memcpy(<char*> (word + 1) + group * hits, self.hits + (group + 1) * self.n_losses, hits)
        status, loss[0] = self.team.meet(groups, status, error, self.grads)
        if status != OK:
            return status
        for rank in range(self.ranks):
            word = <Word*> (<char*> cnp.PyArray_DATA(self.heard) + rank * cnp.PyArray_STRIDE(self.heard, 0))
            for group in range(first_group(groups, rank, self.ranks), first_group(groups, rank + 1, self.ranks)):
                self.group_losses[group] = word.losses[group]
                memcpy(self.hits + (group + 1) * self.n_losses, <char*> (word + 1) + group * hits, hits)
        return add_scalars(self, groups, loss)
    except BaseException as other:
        PyErr_SetObject(type(other), other)
        return FAILED


cdef int learn(Trainer self, Py_ssize_t start, Py_ssize_t size, double rate, double* loss, double* weight) noexcept nogil:
    """One update from rows start .. start + size, or from this process's part of them."""
    cdef Own* own = self.own_rows
    cdef Py_ssize_t first = size * own.part // own.parts, rows = size * (own.part + 1) // own.parts - first
    cdef int status = OK
    self.first_row = first
    if rows >= max(self.least_rows, 1):
        status = self.batch(start + first, rows, rate, True, loss, weight)
    else:   # too few rows for as many processes: an update for which this one has nothing to say
        loss[0] = weight[0] = 0.0
        self.optimizer.step += 1
        self.step += 1
    if status != OK or own.every == 0:
        return status
    own.since += 1
    own.since_weight += weight[0]
    return meet(self, 0, OK, loss) if own.since >= own.every else OK


cdef int set_rows(Trainer self, inputs, targets, weights, order, Py_ssize_t rows) except -1:
    """Take the next mini-batches from these rows: the first, as they lie, or those in ``order``, of ``rows`` altogether.

    Raises ValueError if an array does not have them.
    """
    self.held = self.hold_rows(inputs, targets, weights, rows)
    self.rows.order = Order(rows=NULL, stored=rows)
    for i, array in enumerate(inputs):
        self.rows.inputs[i] = <char*> cnp.PyArray_DATA(array)
    for i, array in enumerate(targets):
        self.rows.targets[i] = <char*> cnp.PyArray_DATA(array)
        self.expect(&self.losses[i], array)
    self.rows.weights = NULL
    if weights is not None:
        self.rows.weights = <char*> cnp.PyArray_DATA(weights)
        self.rows.weights_each = weights.size // len(weights)
    if order is not None:
        self.held.append(hold(order))
        self.rows.order.rows = <const cnp.int64_t*> cnp.PyArray_DATA(order)
    return 0


cdef Py_ssize_t rows_stored(inputs, order, Py_ssize_t n) except -1:
    """How many rows the caller's arrays must have: the ``n`` first are read, or those that ``order`` names.

    Raises ValueError if it does not name ``n``.
    """
    if order is None:
        return n
    require_packed("order", order, cnp.NPY_INT64, n, 1)
    return len(inputs[0])


cdef int end_run(Trainer self) noexcept:
    """The call at work is over: the caller's memory is not held any more, and another one may begin."""
    self.held, self.counting, self.guarding, self.watching, self.first_row = None, False, False, False, 0
    self.versions.stop()
    return 0


cdef int run_rows(Trainer self, Py_ssize_t n, Py_ssize_t batch_size, const double* rate, tick, bint each,
                  Sums* sums) except -1 nogil:
    """Learn from ``n`` of the rows set, once; returns a status, and why by ``sums.loss`` if it diverged.

    ``each``: ``tick`` is called after each mini-batch.
    Rows that remain, and are too few for a layer, join the last mini-batch.
    """
    cdef Py_ssize_t start = 0, size
    cdef double weight = 0.0
    cdef int status
    sums.loss_sum = sums.weight_sum = 0.0
    while start < n:
        size = min(batch_size, n - start)
        if n - start - size < self.least_rows:
            size = n - start
        self.versions.enter()
        status = learn(self, start, size, rate[0], &sums.loss, &weight)
        self.versions.leave()
        if status != OK:
            return status
        rate += 1
        start += size
        sums.loss_sum += sums.loss * weight
        sums.weight_sum += weight
        if each or now() - sums.checked > TICK:
            check_signals(self, start, tick, sums)
    return OK


cdef int check_signals(Trainer self, Py_ssize_t done, tick, Sums* sums) except -1 with gil:
    """Raise what a signal (Ctrl-C) asks for, and tell how far the training is."""
    PyErr_CheckSignals()
    if tick is not None:
        tick(done, sums.loss_sum, sums.weight_sum)
    sums.checked = now()
    return 0


cdef double loss_or_raise(Trainer self, int status, double loss, bint one_step) except? -1.0:
    """The loss of a mini-batch, or the exception that its status stands for."""
    if status == DIVERGED:
        what = (f"train_step: the loss is {loss}; the parameters were left as they are" if one_step
                else f"the loss became {loss} after {self.optimizer.step} updates")
        raise DivergenceError(f"{what}; {ADVICE}")
    if status == OVERFLOWED:
        raise overflowed(self, "train_step")
    if status == CHANGED:
        raise ValueError(LABELS_CHANGED)
    require_ok(status)
    return loss


cdef object overflowed(Trainer self, str who):
    """The error of an update that was taken back."""
    lost = self.guard.lost
    back = "before the call" if lost == 0 else f"{lost} update{'s' * (lost > 1)} before it"
    return DivergenceError(f"{who}: the update made parameters, or what the optimiser keeps, NaN or infinite; both are as "
                           f"{back}; {ADVICE}")


cdef class Trainer(Evaluator):
    """A plan bound to losses and an optimiser.

    ``losses``: as the Evaluator has them.  ``skip``: steps that a loss includes (a softmax under cross-entropy).
    ``rates``: by step the factor on the learning rate, 0 for a frozen one.  ``shared``: some parameters serve two
    steps, so no step may update them while another still needs the old ones.
    """

    def __init__(self, Plan plan, cnp.ndarray params, cnp.ndarray grads, OptimizerState optimizer, losses, skip, rates,
                 bint shared, *, seed=0, step=0):
        Evaluator.__init__(self, plan, params, losses)
        require_packed("grads", grads, plan.dtype.num, plan.n_params, 1, True)
        if optimizer.kernels != plan.kernels or cnp.PyArray_DIM(optimizer.state, 1) != plan.n_params:
            raise ValueError(f"expected an optimiser of {plan.n_params} parameters in {plan.dtype}, got one of "
                             f"{optimizer.state.shape[1]} in {optimizer.state.dtype}")
        self.grads, self.optimizer, self.seed, self.step = grads, optimizer, seed, step
        self.n_inputs = len(plan.inputs)
        self.rows.inputs = <const char**> zeros(self.memory, self.n_inputs, sizeof(char*))
        self.rows.targets = <const char**> zeros(self.memory, self.n_losses, sizeof(char*))
        self.counted = np.zeros((GROUPS + 1, self.n_losses, sizeof(Hits)), np.uint8)
        self.hits = <Hits*> cnp.PyArray_DATA(self.counted)
        self.counts = any(loss["count"][0] for loss in losses)
        self.sizes = <Py_ssize_t*> zeros(self.memory, plan.n_steps, sizeof(Py_ssize_t))
        self.steps = <Step*> zeros(self.memory, plan.n_steps, sizeof(Step))
        self.row_work = <Py_ssize_t> (3.0 * plan.multiply_adds * multiply_add_work(self.kernels))
        backward_may_fail = any(op.backward_may_fail for op in plan.ops)
        self.sgd_in_backward = optimizer.plain and not (shared or backward_may_fail)
        self.update_in_backward = optimizer.by_parts and not (optimizer.plain or shared or backward_may_fail)
        places = {}     # of the fused steps among ours
        for i in range(plan.n_fused):
            index = plan.fused[<int> i].index
            if index not in skip:
                places[i] = self.n_steps
                self.steps[self.n_steps] = plan.fused[<int> i]
                self.steps[self.n_steps].trainable = rates[index] != 0.0
                self.steps[self.n_steps].rate = rates[index] if self.sgd_in_backward else 1.0
                self.sizes[self.n_steps] = sum(prod(part.shape) for part in plan.ops[index].parameters)
                if rates[index] != 0.0:
                    self.commits |= plan.fused[<int> i].commit != NULL
                    self.least_rows = max(self.least_rows, <Py_ssize_t> plan.ops[index].least_rows)
                self.n_steps += 1
        self.wanted = plan.wanted_gradients([rate != 0.0 for rate in rates])
        for way, place, before, after, collects in plan.groups:
            members = range(place - way * before, place + way * (after + collects + 1), way)
            if all(i in places for i in members) and (way == 1 or self.wanted[self.steps[<int> places[place]].outputs[0]]):
                mark(&self.steps[<int> places[place]], way, before, after, collects)
        self.calls_functions = backward_may_fail or any(not isinstance(loss["kernel"], str) for loss in losses)
        self.lanes, self.ranks = Lanes(plan, params, self.wanted, self.loss_parts), 1
        self.own = np.zeros(sizeof(Own), np.uint8)
        self.own_rows = <Own*> cnp.PyArray_DATA(self.own)
        self.own_rows.parts = 1
        self.guard = Guard(params, optimizer)

    def workspace(self, Py_ssize_t capacity=1):
        """The memory in use, for tests."""
        self.lanes.reserve(capacity)
        return self.lanes.workspaces[0]

    def join(self, team, pieces=1):
        """Go through this process's groups of a mini-batch alone, and meet the others of a team of several after each.

        ``team``: ``rank``, ``size``; ``word`` and ``heard`` (size, word), what this process says and what all have said;
        ``sums`` (n, n_params), where its sums go, in rows that are packed; ``meet(groups, status, error, grads)``, which returns status and loss of all.

        ``team`` None, or without ``sums``: the rows of a mini-batch are this process's own, or a part of them, as ``own``
        says; ``tell(status, error)`` returns the status of all.  They go in so many ``pieces``, one after the other, if
        they are never cut.
        """
        self.require_idle()
        self.alone, self.team = self.lanes, team
        if team is None or team.sums is None:
            self.lanes = Lanes(self.plan, self.params, self.wanted, self.loss_parts, pieces=pieces)
            return
        self.rank, self.ranks = team.rank, team.size
        self.lanes = Lanes(self.plan, self.params, self.wanted, self.loss_parts, processes=team.size)
        if self.ranks > 1:
            self.word, self.heard, self.sums_kept = team.word, team.heard, team.sums
            self.sums, self.sum_bytes = <char*> cnp.PyArray_DATA(team.sums), cnp.PyArray_STRIDE(team.sums, 0)

    def leave(self):
        """Train alone again, and mini-batches as a whole."""
        if self.alone is not None:
            self.lanes = self.alone
        self.rank, self.ranks = 0, 1
        memset(self.own_rows, 0, sizeof(Own))
        self.own_rows.parts = 1
        self.team = self.alone = self.word = self.heard = self.sums_kept = None

    cdef int gradient(self, Py_ssize_t start, Py_ssize_t size, const char* weights, double scale, double rate, bint sgd,
                      bint by_step, double* loss) noexcept nogil:
        """Forward, loss and backward of a mini-batch; the gradient goes where ``batch`` wants it."""
        cdef Py_ssize_t itemsize = self.kernels.itemsize
        cdef Lane* lane = self.lanes.lanes
        cdef char* grads = <char*> cnp.PyArray_DATA(self.grads)
        cdef Py_ssize_t pieces, first = 0, n
        cdef double total = 0.0
        cdef int status
        if self.lanes.cuts(size):
            return run_micro_batches(self, start, size, weights, scale, loss)
        if not (sgd or by_step):
            clear(grads, self.plan.n_params * itemsize)
        lane.frame.keeps_columns = sgd
        for pieces in range(self.lanes.pieces_of(size), 0, -1):     # those that are left
            n = size - first if pieces == 1 else (size - first) // pieces
            lane.frame.first_row = self.first_row + first
            status = forward_backward(self, lane, start + first, n, weights, scale,
                                      <char*> cnp.PyArray_DATA(self.params) if sgd else grads, -rate if sgd else 1.0, by_step,
                                      rate, self.hits if self.counting else NULL)
            loss[0] = lane.loss
            if status != OK:
                return status
            total += lane.loss
            first += n
            if weights != NULL:
                weights += n * self.rows.weights_each * itemsize
        loss[0] = total
        return OK

    cdef int batch(self, Py_ssize_t start, Py_ssize_t size, double rate, bint update, double* loss,
                   double* weight) noexcept nogil:
        """One step on rows start .. start + size; ``loss`` is the mean over rows, ``weight`` the sum of their weights.

        Without ``update`` the gradients stay in ``grads``.  Parameters change only after a finite loss.  A long one looks
        for signals; where its backward pass changes parameters, only if the guard has a copy to go back to.
        """
        cdef Py_ssize_t itemsize = self.kernels.itemsize, n_params = self.plan.n_params, each = self.rows.weights_each
        cdef Py_ssize_t work = size * self.row_work
        cdef const char* weights = self.rows.weights
        cdef char* params = <char*> cnp.PyArray_DATA(self.params)
        cdef char* grads = <char*> cnp.PyArray_DATA(self.grads)
        cdef double scale
        cdef Descent descent = Descent(kernels=self.kernels, scale=-rate, g=grads, w=params)
        cdef bint fused = update and self.fuses(size), guarded = update and self.guarding
        cdef bint sgd = fused and self.sgd_in_backward, by_step = fused and self.update_in_backward
        cdef fnn_watch over
        cdef fnn_watch* before
        cdef int status
        expect(work + (0 if self.sgd_in_backward else n_params * itemsize * RULE))
        if weights != NULL:
            weights = take_rows(weights, each * itemsize, &self.rows.order, start, size, self.lanes.weights)
            if weights == NULL:
                return CHANGED
        weight[0] = <double> size if weights == NULL else self.kernels.sum(size * each, weights)
        scale = 1.0 / weight[0] if weight[0] > 0.0 else 0.0
        if self.optimizer.shares:
            self.optimizer.share = scale / <double> self.own_rows.parts
            self.penalty_sum += self.optimizer.squares(params) * scale * size
        self.watched = self.watching and work > LONG
        if guarded or (self.watched and fused):
            self.guard.keep(work, LONG_SHARE if self.watched and fused else COPY_SHARE, self.step)
            self.watched = self.watched and (not fused or self.guard.behind == 0)
        if guarded:
            fnn_float_forget()
        if self.watched:
            over = signals()
            before = watch(&over)
            status = self.gradient(start, size, weights, scale, rate, sgd, by_step, loss)
            watch(before)
            status = FAILED if over.stopped else status
            if status == FAILED and fused:
                self.step = self.guard.restore()
        else:
            status = self.gradient(start, size, weights, scale, rate, sgd, by_step, loss)
        if self.ranks > 1 and self.lanes.cuts(size):
            status = meet(self, min(self.lanes.micro_batches(size), <Py_ssize_t> GROUPS), status, loss)
        if self.own_rows.dealt:
            self.own_rows.weight = weight[0]
            status = meet(self, 0, status, loss)
            weight[0] = self.own_rows.weight
            self.optimizer.share = 1.0 / weight[0] if weight[0] > 0.0 else 0.0
        if status != OK or not update:
            return status
        if self.sgd_in_backward:
            self.optimizer.step += 1
            if not sgd:     # a mini-batch that was cut: the steps have seen to the factors on the rate
                in_parts(descend, &descent, n_params, LINE, n_params * itemsize, 3 * PLAIN)
        elif not by_step:
            self.optimizer.apply(params, grads, rate)
        if self.commits:
            run_commit(self.steps, self.n_steps, self.lanes.lanes.frame, params)
        self.step += 1
        return self.checked() if guarded else OK

    cdef int checked(self) noexcept nogil:
        """The status of an update: OVERFLOWED, and all as before, if it has left anything that is not finite.

        Numbers become so only by what the floating-point unit tells; functions of the user's make it forget that.
        """
        if (fnn_float_met() != 0 or self.calls_functions) and not self.guard.finite():
            self.step = self.guard.restore()
            return OVERFLOWED
        self.guard.passed()
        return OK

    def clear_hits(self):
        """Begin to count right decisions from 0."""
        memset(self.hits, 0, self.n_losses * sizeof(Hits))

    def accuracies(self):
        """The share of right decisions since ``clear_hits`` by loss; NaN where none are counted, -1 where targets are
        no classes."""
        return [hit_rate(&self.hits[i], self.losses[i].count.width) for i in range(self.n_losses)]

    def run(self, inputs, targets, weights, order, Py_ssize_t n, Py_ssize_t batch_size, rates, tick=None,
            bint each=False):
        """Learn from ``n`` rows in mini-batches, in ``order`` (int64 row numbers) or as they lie.

        ``rates``: the learning rate of each mini-batch, float64.  ``tick(rows done, sum of weighted losses, sum of weights)`` is called
        about every 50 ms, or after ``each`` mini-batch.  Returns the sum of weighted losses and the sum of weights; what is
        counted of right decisions is added to what was there.

        Raises
        ------
        DivergenceError
            If the loss of a mini-batch is not finite; the parameters are those before it.
        ValueError
            If a layer needs more rows than a mini-batch would have.
        """
        cdef const double* rate
        cdef Sums sums
        cdef int status = OK
        self.require_run(n, batch_size)
        require_packed("rates", rates, cnp.NPY_DOUBLE, self.updates(n, batch_size), 1)
        rate = <const double*> cnp.PyArray_DATA(rates)
        self.prepare_run(n, batch_size)
        try:
            set_rows(self, inputs, targets, weights, order, rows_stored(inputs, order, n))
            self.held.append(hold(rates))
            self.penalty_sum, self.counting, self.watching = 0.0, self.counts, True
            with nogil:
                sums.checked = now()
                status = run_rows(self, n, batch_size, rate, tick, each, &sums)
        finally:
            end_run(self)
        loss_or_raise(self, status, sums.loss, False)
        return sums.loss_sum, sums.weight_sum

    def run_epochs(self, inputs, targets, weights, rows, Py_ssize_t n, Py_ssize_t batch_size, rates, losses,
                   shuffle=None, tick=None, accuracies=None):
        """As ``run`` once for each of ``losses``, without the GIL between the epochs either.

        ``rows``: the ``n`` rows to learn from (int64 row numbers), None: all.  ``rates``: of each mini-batch of all
        epochs, float64.  ``losses``, float64: become the mean loss of each epoch, ``epochs_done`` of them.
        ``shuffle``: (seed, stream, step) of the first epoch's permutation of the rows, the step growing by 1 with every
        epoch; None: they are taken as they come.  ``accuracies`` (epochs, losses), float64: become those of each epoch.

        Raises
        ------
        DivergenceError
            If the loss of a mini-batch is not finite, or a parameter at the end of an epoch.
        ValueError
            If a layer needs more rows than a mini-batch would have.
        """
        cdef const double* rate
        cdef double* loss
        cdef double* accuracy = NULL
        cdef Py_ssize_t epochs = len(losses), n_batches, i
        cdef bint shuffled = shuffle is not None, chosen = rows is not None, finite = True
        cdef cnp.int64_t* order = NULL
        cdef const cnp.int64_t* chosen_rows = NULL
        cdef fnn_random random
        cdef Sums sums
        cdef int status = OK
        self.require_run(n, batch_size)
        n_batches = self.updates(n, batch_size)
        require_packed("rates", rates, cnp.NPY_DOUBLE, epochs * n_batches, 1)
        require_packed("losses", losses, cnp.NPY_DOUBLE, epochs, 1, True)
        rate, loss = <const double*> cnp.PyArray_DATA(rates), <double*> cnp.PyArray_DATA(losses)
        if accuracies is not None:
            require_packed("accuracies", accuracies, cnp.NPY_DOUBLE, epochs, self.n_losses, True)
            accuracy = <double*> cnp.PyArray_DATA(accuracies)
        stored = rows_stored(inputs, rows, n)
        self.require_idle()
        self.epochs_done, self.penalty_sum = 0, 0.0
        self.prepare_run(n, batch_size)
        try:
            self.counting, self.watching = accuracy != NULL, True
            drawn = np.empty(n, np.int64) if shuffled else rows
            set_rows(self, inputs, targets, weights, drawn, stored)
            self.held += hold_all([rates, losses], accuracies)
            if chosen:
                self.held.append(hold(rows))
                chosen_rows = <const cnp.int64_t*> cnp.PyArray_DATA(rows)
            if shuffled:
                random = fnn_random(shuffle[0], shuffle[2], shuffle[1])
                order = <cnp.int64_t*> cnp.PyArray_DATA(drawn)
            with nogil:
                sums.checked = now()
                while self.epochs_done < epochs and status == OK and finite:
                    if shuffled:
                        random_permutation(n, &random, 0, order)
                        random.step += 1
                        if chosen:
                            for i in range(n):
                                order[i] = chosen_rows[order[i]]
                    memset(self.hits, 0, self.n_losses * sizeof(Hits))
                    status = run_rows(self, n, batch_size, rate, tick, False, &sums)
                    finite = self.guard.finite()
                    if status == OK and finite:
                        loss[self.epochs_done] = sums.loss_sum / sums.weight_sum if sums.weight_sum > 0.0 else 0.0
                        if accuracy != NULL:
                            for i in range(self.n_losses):
                                accuracy[self.epochs_done * self.n_losses + i] = hit_rate(
                                    &self.hits[i], self.losses[i].count.width)
                        self.epochs_done += 1
                        rate += n_batches
        finally:
            end_run(self)
        loss_or_raise(self, status, sums.loss, False)
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
        self.versions.stop()
        return 0

    cdef int begin(self) except -1:
        """Be the only call that trains, until ``versions.stop``."""
        if not self.versions.start():
            raise RuntimeError(BUSY)
        return 0

    cpdef Py_ssize_t updates(self, Py_ssize_t n, Py_ssize_t batch_size) except -1:
        """How many mini-batches ``run`` makes of ``n`` rows: what remains, too few rows for a layer, joins the last."""
        self.require_run(n, batch_size)
        return max((n - max(self.least_rows, 1)) // batch_size + 1, 1)

    cdef int require_run(self, Py_ssize_t n, Py_ssize_t batch_size) except -1:
        """Refuse less than one row, of the data or of a mini-batch."""
        if n < 1 or batch_size < 1:
            raise ValueError(f"expected at least one row, in mini-batches of at least one, got {n} and {batch_size}")
        return 0

    cdef int prepare_run(self, Py_ssize_t n, Py_ssize_t batch_size) except -1:
        """Begin a call on mini-batches of ``batch_size`` out of ``n`` rows."""
        cdef Py_ssize_t rest = n % batch_size
        cdef Py_ssize_t most = min(batch_size + (rest if rest < self.least_rows else 0), n)
        return self.prepare(min(batch_size, n), (most - 1) // self.own_rows.parts + 1)

    cdef int reserve(self, Py_ssize_t most, bint single) except -1:
        """Have the memory for mini-batches of at most so many rows; ``single``: for an update by itself, too."""
        self.lanes.reserve(most)
        if not self.ready(most, single):
            self.guard.reserve()
        return 0

    cdef int prepare(self, Py_ssize_t least, Py_ssize_t most, bint single=False) except -1:
        """Begin a call on mini-batches of ``least`` to ``most`` rows: be the only one, and have the memory."""
        self.begin()
        if least < self.least_rows or not self.ready(most, single):
            try:
                require_rows(self.plan, self.steps, self.n_steps, least)
                self.reserve(most, single)
            except BaseException:
                self.versions.stop()
                raise
        return 0

    cdef double one_step(self, Py_ssize_t n, double rate, bint update) except? -1.0:
        """One mini-batch of the ``n`` rows set, after ``prepare`` and before ``versions.stop``; returns the loss."""
        cdef double loss = 0.0, weight = 0.0
        cdef int status
        self.guarding = update
        if update:
            self.versions.enter()
        if n * self.plan.multiply_adds < GIL_WORK:
            status = self.batch(0, n, rate, update, &loss, &weight)
        else:
            self.watching = True
            with nogil:
                status = self.batch(0, n, rate, update, &loss, &weight)
            self.watching = False
        if update:
            self.versions.leave()
        self.guarding = False
        return loss_or_raise(self, status, loss, True)

    def step_on(self, inputs, targets, weights, Py_ssize_t n, double rate, bint update=True):
        """One mini-batch of packed arrays; ``update`` False leaves the gradient in ``grads`` and changes nothing else."""
        self.require_run(n, n)
        self.prepare(n, n, update)
        try:
            set_rows(self, inputs, targets, weights, None, n)
            return self.one_step(n, rate, update)
        finally:
            end_run(self)

    def state_gradients(self, inputs, targets, weights, Py_ssize_t n):
        """The gradient of the loss with respect to h after each time step (T, n, H), by step of the plan.

        As ``step_on`` without ``update``; of recurrent steps that something depends on which learns.
        """
        cdef Py_ssize_t itemsize = self.kernels.itemsize
        cdef Lanes lanes = self.lanes
        cdef Workspace work
        self.require_run(n, n)
        self.begin()
        try:
            require_rows(self.plan, self.steps, self.n_steps, n)
            self.lanes = Lanes(self.plan, self.params, self.wanted, self.loss_parts, whole=True)
            self.lanes.reserve(n)
            set_rows(self, inputs, targets, weights, None, n)
            self.one_step(n, 0.0, False)
            work = self.lanes.workspaces[0]
        finally:
            self.lanes = lanes
            end_run(self)
        result = {}
        for index, op in enumerate(self.plan.ops):
            if op.state_size and self.wanted[self.plan.step_outputs(index)[0]]:
                offset, shape = op.state_gradients(n, itemsize)
                result[index] = view(work.frame.saved[<int> index] + <Py_ssize_t> offset, itemsize, shape, False).copy()
        return result

    def apply_gradients(self, double rate):
        """Update the parameters by what stands in ``grads``.

        Raises
        ------
        DivergenceError
            If that is not finite, or the update would make something infinite; nothing has changed.
        """
        cdef Py_ssize_t n_params = self.plan.n_params, nbytes = n_params * self.kernels.itemsize
        cdef int status
        self.begin()
        try:
            if not all_finite(self.kernels, n_params, <char*> cnp.PyArray_DATA(self.grads)):
                raise DivergenceError("apply_gradients: expected finite gradients, got NaN or infinite ones; the network is as "
                                      f"before the call; {ADVICE}")
            self.guard.reserve()
            self.guard.keep(nbytes * RULE, COPY_SHARE, self.step)
            fnn_float_forget()
            self.optimizer.share = 1.0
            self.versions.enter()
            self.optimizer.apply(<char*> cnp.PyArray_DATA(self.params), <char*> cnp.PyArray_DATA(self.grads), rate)
            self.step += 1
            status = self.checked()
            self.versions.leave()
            if status != OK:
                raise overflowed(self, "apply_gradients")
        finally:
            self.versions.stop()
