"""A layer written in NumPy: a step of the Plan that takes the GIL and calls Python functions."""

cimport numpy as cnp
from cpython.exc cimport PyErr_SetObject
from libc.string cimport memcpy

from fastnn._core.pool cimport fnn_watch, watch
from fastnn._core.step cimport FAILED, Frame, OK, Op, Step, dparams_of
from fastnn._core.views cimport view

import numpy as np

from fastnn._core.step import Parameter

cnp.import_array()


cdef tuple fans(tuple shape):
    """Fan-in and fan-out of an array whose last axis counts the outputs."""
    if not shape:
        return 1, 1
    outputs = int(shape[len(shape) - 1])
    return max(int(np.prod(shape)) // max(outputs, 1), 1), outputs


cdef class CustomOp(Op):
    """``forward_function(x, **parameters) -> y``, ``backward_function(x, y, dy, **parameters) -> dx`` or ``(dx, {name: dw})``.

    ``parameters`` maps names to shapes.
    """

    cdef object forward_function, backward_function
    cdef tuple input_shape, output_shape

    def __init__(self, str who, forward_function, backward_function, tuple input_shape, tuple output_shape,
                 dict parameters):
        self.forward, self.backward, self.config = forward, backward, <void*> self
        self.who, self.forward_function, self.backward_function = who, forward_function, backward_function
        self.input_shape, self.output_shape = input_shape, output_shape
        self.input_widths, self.output_widths = (int(np.prod(input_shape)),), (int(np.prod(output_shape)),)
        self.reads_input = self.reads_output = self.may_fail = self.backward_may_fail = True
        self.parameters = tuple(Parameter(name, shape, *fans(shape), len(shape) > 1)
                                for name, shape in parameters.items())

    cdef dict views(self, const Step* step, const char* base):
        """The parameters by name, as views from ``base``."""
        result = {}
        cdef const char* data = base + step.params
        for parameter in self.parameters:
            result[parameter.name] = view(data, step.kernels.itemsize, parameter.shape, False)
            data += result[parameter.name].nbytes
        return result

    cdef object checked(self, what, result, tuple shape, const Step* step):
        """``result`` as a packed array of the network's dtype, or the error that says what the function returned."""
        array = np.ascontiguousarray(result, dtype=np.float32 if step.kernels.itemsize == 4 else np.float64)
        if array.shape != shape:
            raise ValueError(f"{self.who}: expected {what} of shape {shape}, got {array.shape}; "
                             f"check the function that you passed")
        return array

    cdef int run_forward(self, const Step* step, const Frame* frame) except -1:
        cdef cnp.ndarray y
        x = view(frame.values[step.inputs[0]], step.kernels.itemsize, (frame.batch, *self.input_shape), False)
        y = self.checked("forward to return an array", self.forward_function(x, **self.views(step, frame.params)),
                         (frame.batch, *self.output_shape), step)
        memcpy(frame.values[step.outputs[0]], cnp.PyArray_DATA(y), cnp.PyArray_NBYTES(y))
        return 0

    cdef int run_backward(self, const Step* step, const Frame* frame) except -1:
        cdef cnp.ndarray array
        cdef char* destination = dparams_of(step, frame)
        x = view(frame.values[step.inputs[0]], step.kernels.itemsize, (frame.batch, *self.input_shape), False)
        y = view(frame.values[step.outputs[0]], step.kernels.itemsize, (frame.batch, *self.output_shape), False)
        dy = view(frame.gradients[step.outputs[0]], step.kernels.itemsize, (frame.batch, *self.output_shape), False)
        result = self.backward_function(x, y, dy, **self.views(step, frame.params))
        names = {parameter.name for parameter in self.parameters}
        if names and not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)
                          and set(result[1]) == names):
            raise ValueError(f"{self.who}: expected backward to return (dx, gradients) with gradients of "
                             f"{', '.join(sorted(names))}, got {type(result).__name__}; check the function that you passed")
        dx, gradients = result if names else (result, {})
        if frame.gradients[step.inputs[0]] != NULL:
            array = self.checked("backward to return dx", dx, (frame.batch, *self.input_shape), step)
            memcpy(frame.gradients[step.inputs[0]], cnp.PyArray_DATA(array), cnp.PyArray_NBYTES(array))
        if destination != NULL:
            for parameter in self.parameters:
                array = self.checked(f"the gradient of {parameter.name!r}", gradients[parameter.name],
                                     parameter.shape, step)
                step.kernels.add_scaled(cnp.PyArray_SIZE(array), frame.scale * step.rate, cnp.PyArray_DATA(array),
                                        destination)
                destination += cnp.PyArray_NBYTES(array)
        return 0


cdef int call(const Step* step, const Frame* frame, bint back) noexcept with gil:
    cdef fnn_watch* before = watch(NULL)    # a call within this one is not to be ended half-way
    try:
        if back:
            (<CustomOp> step.config).run_backward(step, frame)
        else:
            (<CustomOp> step.config).run_forward(step, frame)
        return OK
    except BaseException as error:
        PyErr_SetObject(type(error), error)
        return FAILED
    finally:
        watch(before)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    return call(step, frame, False)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    return call(step, frame, True)
