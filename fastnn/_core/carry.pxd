# Steps that others carry.
#
# A step that couples the rows of a batch needs sums over all of them before it can answer for one, so a mini-batch cannot
# be cut, and each step would go through the whole batch, which no cache holds.  Between two such sums rows are
# independent.  So a step that works image by image, a convolution, carries what stands around it: before an image it has
# the rows made that lead to it, from the last sums on; behind it, while the image is in the cache, the rows that follow and
# the next sums:
#
#     forward     [ begin | norm, add, fan-out -> convolution -> sums of the next norm ]
#     backward    [ begin | gradient of the norm -> convolution -> fan-out, add -> sums of the norm before ]
#
# The Plan finds these groups (``Plan.groups``), the Layout lets what a group reads and writes live as long as all of it,
# and the Trainer marks the steps.  Steps of a group are neighbours in the order of the steps.  Sums are over blocks of
# rows that depend on the shape alone, so no bit depends on who collects them.
from fastnn._core.pool cimport run_parts
from fastnn._core.step cimport ByRows, Carry, Frame, OK, Step

cdef enum Way:
    FORWARD = 1
    BACKWARD = -1

# The carrier's own work on rows first .. last - 1, in a part that has scratch of its own.
ctypedef void (*images_fn)(const void* job, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil


cdef inline const ByRows* by_rows(const Step* step, int way) noexcept nogil:
    return &step.forward_by if way == FORWARD else &step.backward_by


cdef inline const Carry* carry_of(const Step* step, int way) noexcept nogil:
    return &step.forward_carry if way == FORWARD else &step.backward_carry


cdef inline bint wanted(const Step* step, const Frame* frame, int way) noexcept nogil:
    """A backward pass leaves out steps whose gradient nobody wants."""
    return way == FORWARD or frame.gradients[step.outputs[0]] != NULL


cdef inline int run_by_rows(const Step* step, const Frame* frame, int way) noexcept nogil:
    """A pass of a step that goes by rows, without what others do of it."""
    cdef const ByRows* by = by_rows(step, way)
    cdef const Carry* carry = carry_of(step, way)
    if by.collect_all != NULL and not carry.collected:
        by.collect_all(step, frame)
    if by.begin != NULL:
        by.begin(step, frame)
    return OK if carry.carried else by.all(step, frame)


cdef inline int forward_step(const Step* step, const Frame* frame) noexcept nogil:
    if step.forward_carry.carried or step.forward_carry.collected:
        return run_by_rows(step, frame, FORWARD)
    return step.forward(step, frame)


cdef inline int backward_step(const Step* step, const Frame* frame) noexcept nogil:
    if step.backward_carry.carried or step.backward_carry.collected:
        return run_by_rows(step, frame, BACKWARD)
    return step.backward(step, frame)


cdef inline void mark(Step* step, int way, int before, int after, bint collects) noexcept:
    """Let the step carry so many of its neighbours in a pass."""
    cdef Carry* own = &step.forward_carry if way == FORWARD else &step.backward_carry
    cdef Step* other
    cdef int k
    own.before, own.after, own.collects = before, after, collects
    for k in range(-before, after + collects + 1):
        other = step + way * k
        own = &other.forward_carry if way == FORWARD else &other.backward_carry
        if k > after:
            own.collected = True
        elif k:
            own.carried = True


# ---- what the carrier does ----

cdef struct Trip:
    const Step* step
    const Frame* frame
    int way
    images_fn images
    const void* job
    Py_ssize_t unit         # rows between two cuts
    Py_ssize_t parts


cdef inline const Step* collector(const Step* step, int way) noexcept nogil:
    """The step whose sums are collected, or NULL."""
    cdef const Carry* carry = carry_of(step, way)
    return step + way * (carry.after + 1) if carry.collects else NULL


cdef inline void all_before(const Step* step, const Frame* frame, int way) noexcept nogil:
    """All rows of what is carried before the step, in parts."""
    cdef int k
    for k in range(carry_of(step, way).before, 0, -1):
        if wanted(step - way * k, frame, way):
            by_rows(step - way * k, way).all(step - way * k, frame)


cdef inline void all_after(const Step* step, const Frame* frame, int way) noexcept nogil:
    """All rows of what is carried behind it, and the sums."""
    cdef const Step* last = collector(step, way)
    cdef int k
    for k in range(1, carry_of(step, way).after + 1):
        if wanted(step + way * k, frame, way):
            by_rows(step + way * k, way).all(step + way * k, frame)
    if last != NULL and wanted(last, frame, way):
        by_rows(last, way).collect_all(last, frame)


cdef inline void trip_rows(const Trip* trip, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The step and all that it carries, without sums."""
    cdef const Carry* carry = carry_of(trip.step, trip.way)
    cdef const Step* step
    cdef int k
    for k in range(carry.before, 0, -1):
        step = trip.step - trip.way * k
        if wanted(step, trip.frame, trip.way):
            by_rows(step, trip.way).rows(step, trip.frame, first, last)
    trip.images(trip.job, part, first, last)
    for k in range(1, carry.after + 1):
        step = trip.step + trip.way * k
        if wanted(step, trip.frame, trip.way):
            by_rows(step, trip.way).rows(step, trip.frame, first, last)


cdef inline void trip_part(void* argument, Py_ssize_t part) noexcept nogil:
    """One image after the other; sums when their block is complete."""
    cdef const Trip* trip = <const Trip*> argument
    cdef const Step* last = collector(trip.step, trip.way)
    cdef Py_ssize_t batch = trip.frame.batch, units = (batch + trip.unit - 1) // trip.unit
    cdef Py_ssize_t at = units * part // trip.parts * trip.unit
    cdef Py_ssize_t end = min(batch, units * (part + 1) // trip.parts * trip.unit), row, stop
    while at < end:
        stop = min(end, at + trip.unit)
        for row in range(at, stop):
            trip_rows(trip, part, row, row + 1)
        if last != NULL and wanted(last, trip.frame, trip.way):
            by_rows(last, trip.way).collect(last, trip.frame, at, stop)
        at = stop


cdef inline bint carry(const Step* step, const Frame* frame, int way, images_fn images, const void* job,
                       Py_ssize_t parts) noexcept nogil:
    """All rows of the step with all that it carries, in so many parts; False, and nothing is done, if they cannot be cut so.

    Sums whose blocks are no whole rows, and a batch of fewer blocks than there are parts, stay apart.
    """
    cdef const Step* last = collector(step, way)
    cdef Trip trip = Trip(step=step, frame=frame, way=way, images=images, job=job, unit=1, parts=parts)
    if last != NULL:
        trip.unit = by_rows(last, way).block(last, frame.batch)
    if trip.unit == 0 or (frame.batch + trip.unit - 1) // trip.unit < parts:
        return False
    if parts > 1:
        run_parts(trip_part, &trip, parts)
    else:
        trip_part(&trip, 0)
    return True
