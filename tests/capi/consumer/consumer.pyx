"""A project that embeds networks: what a user of the interface writes."""

from fastnn.capi cimport *

fnn_import()  # an ImportError here if the installed fastnn is not one that this was compiled for


cdef class Model:
    """A network that answers and learns without the GIL."""

    cdef fnn_network* net

    def __cinit__(self, net, int threads=1):
        self.net = fnn_open(net, threads)  # keeps it alive

    def __dealloc__(self):
        fnn_close(self.net)

    def answer(self, const float[:, ::1] X, float[:, ::1] Y):
        """Y (rows, outputs) = the network's answers to X (rows, inputs)."""
        cdef int status
        if (X.shape[1], Y.shape[1]) != (fnn_inputs(self.net), fnn_outputs(self.net)) or X.shape[0] != Y.shape[0]:
            raise ValueError("Model: X and Y do not fit the network")
        with nogil:
            status = fnn_predict_f32(self.net, X.shape[0], &X[0, 0], &Y[0, 0])
        fnn_check(self.net, status)  # raises what net.predict would raise

    def learn(self, const float[:, ::1] X, const float[:, ::1] Y, int steps):
        """Train on the same rows again and again; return the last loss."""
        cdef double loss = 0.0
        cdef int step, status = FNN_OK
        if (X.shape[1], Y.shape[1]) != (fnn_inputs(self.net), fnn_outputs(self.net)) or X.shape[0] != Y.shape[0]:
            raise ValueError("Model: X and Y do not fit the network")
        with nogil:
            for step in range(steps):
                status = fnn_train_step_f32(self.net, X.shape[0], &X[0, 0], &Y[0, 0], FNN_OWN_RATE, &loss)
                if status != FNN_OK:
                    break
        fnn_check(self.net, status)
        return loss


# ---- for the tests: every function by itself ----

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int64_t

OWN_RATE = FNN_OWN_RATE
STATUS = {"OK": FNN_OK, "BUSY": FNN_BUSY, "WRONG_DTYPE": FNN_WRONG_DTYPE, "WRONG_ROWS": FNN_WRONG_ROWS,
          "NO_ARRAY": FNN_NO_ARRAY, "NOT_FINITE": FNN_NOT_FINITE, "WRONG_TARGET": FNN_WRONG_TARGET,
          "NOT_COMPILED": FNN_NOT_COMPILED, "WRONG_RATE": FNN_WRONG_RATE, "DIVERGED": FNN_DIVERGED,
          "NO_MEMORY": FNN_NO_MEMORY, "FAILED": FNN_FAILED}


cdef class Probe(Model):
    """What each function of the interface says."""

    @property
    def sizes(self):
        return fnn_inputs(self.net), fnn_outputs(self.net), fnn_n_params(self.net), fnn_itemsize(self.net)

    def message(self, int status):
        return fnn_message(self.net, status).decode()

    def check(self, int status):
        fnn_check(self.net, status)

    def params(self):
        """Copies of the parameters as either dtype, None where they are of the other."""
        cdef int n = fnn_n_params(self.net)
        cdef float* f32 = fnn_params_f32(self.net)
        cdef double* f64 = fnn_params_f64(self.net)
        return [f32[i] for i in range(n)] if f32 else None, [f64[i] for i in range(n)] if f64 else None

    def predict(self, const floating[:, ::1] X, floating[:, ::1] Y, int rows=-1):
        """Return the status."""
        cdef int status, n = X.shape[0] if rows < 0 else rows
        with nogil:
            if floating is float:
                status = fnn_predict_f32(self.net, n, &X[0, 0], &Y[0, 0])
            else:
                status = fnn_predict_f64(self.net, n, &X[0, 0], &Y[0, 0])
        return status

    def predict_nothing(self):
        return fnn_predict_f32(self.net, 1, NULL, NULL)

    def predict_on_threads(self, const float[:, ::1] X, float[:, ::1] Y, int threads, int rounds):
        """Each row by itself, on native threads; the worst status."""
        cdef Py_ssize_t i, n = X.shape[0]
        cdef int worst = 0
        for i in prange(n * rounds, nogil=True, num_threads=threads, schedule="dynamic"):
            worst = max(worst, fnn_predict_f32(self.net, 1, &X[i % n, 0], &Y[i % n, 0]))
        return worst

    def train_step(self, const floating[:, ::1] X, const floating[:, ::1] Y, double rate=FNN_OWN_RATE, int rows=-1):
        """Return status and loss."""
        cdef double loss = -1.0
        cdef int status, n = X.shape[0] if rows < 0 else rows
        with nogil:
            if floating is float:
                status = fnn_train_step_f32(self.net, n, &X[0, 0], &Y[0, 0], rate, &loss)
            else:
                status = fnn_train_step_f64(self.net, n, &X[0, 0], &Y[0, 0], rate, &loss)
        return status, loss

    def train_step_labels(self, const floating[:, ::1] X, const int64_t[::1] labels, double rate=FNN_OWN_RATE):
        """Return status and loss."""
        cdef double loss = -1.0
        cdef int status, n = X.shape[0]
        with nogil:
            if floating is float:
                status = fnn_train_step_labels_f32(self.net, n, &X[0, 0], &labels[0], rate, &loss)
            else:
                status = fnn_train_step_labels_f64(self.net, n, &X[0, 0], &labels[0], rate, &loss)
        return status, loss

    def train_often(self, const float[:, ::1] X, const float[:, ::1] Y, double rate, int times):
        """Steps in a loop that never takes the GIL; the number that went well before the first that did not."""
        cdef int k, done = 0, n = X.shape[0]
        with nogil:
            for k in range(times):
                if fnn_train_step_f32(self.net, n, &X[0, 0], &Y[0, 0], rate, NULL) != FNN_OK:
                    break
                done += 1
        return done
