"""One row of csrc/fnn_families.def, and functions of one element, make an activation, a loss or an optimiser."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import fastnn as fn
from fastnn._core import table
from fastnn.formats.c import emitters
from fastnn.formats.onnx.write import activations

CSRC = Path(__file__).parents[2] / "csrc"
with_sources = pytest.mark.skipif(not CSRC.is_dir(), reason="needs the C sources beside the tests")

# What is added: to the rows, and to each template before its kernels are made.
ROWS = """
FNN_ACTIVATION(CUBE, cube, z)
FNN_ACTIVATION(HALF, half, a)
FNN_LOSS(QUARTIC, quartic, element)
FNN_OPTIMIZER(DECAYED, decayed, 1)

#undef FNN_ACTIVATION"""
FUNCTIONS = {
    "activation": """
FNN_ELEMENT REAL FN(cube_value)(REAL z, REAL alpha) { return z * z * z; }
FNN_ELEMENT REAL FN(cube_slope)(REAL z, REAL alpha) { return 3 * z * z; }
FNN_ELEMENT REAL FN(half_value)(REAL z, REAL alpha) { return z > 0 ? z / 2 : 0; }
FNN_ELEMENT REAL FN(half_slope)(REAL a, REAL alpha) { return a > 0 ? (REAL)0.5 : 0; }
#define FNN_ACTIVATION(""",
    "loss": """
FNN_ELEMENT FN(term) FN(quartic_term)(REAL y, REAL target, REAL parameter)
{
    const REAL e = y - target;
    return (FN(term)){e * e * e * e, 4 * e * e * e};
}
#define FNN_LOSS_element(""",
    "optimizer": """
FNN_ELEMENT FN(weight) FN(decayed_rule)(const FN(rate) *r, REAL g, FN(weight) p)
{
    p.s0 = r->beta1 * p.s0 + g;
    p.w -= r->h * p.s0;
    return p;
}
#define FNN_OPTIMIZER(""",
}
PROGRAM = """
#define FNN_BITS 64
#include "fnn_base.h"
#include <stdio.h>

static void show(int n, const double *x)
{
    for (int i = 0; i < n; i++)
        printf("%.17g ", x[i]);
    printf("\\n");
}

int main(void)
{
    const fnn_kernels *k = &fnn_kernels_double_base;
    const double z[3] = {-2, 0.5, 3}, da[3] = {1, -2, 0.25}, target[3] = {1, 1, 1};
    const fnn_update u = {.learning_rate = 0.5, .beta1 = 0.25, .correction1 = 1, .correction2 = 1};
    double a[3], d[3], w[3] = {1, 2, 3}, s[3] = {4, 8, 12};
    k->activation_forward[FNN_CUBE](3, 0, z, a);
    show(3, a);
    k->activation_backward[FNN_CUBE](3, 0, z, NULL, da, d);
    show(3, d);
    k->activation_forward[FNN_HALF](3, 0, z, a);
    k->activation_backward[FNN_HALF](3, 0, NULL, a, da, d);
    show(3, d);
    const double value = k->loss[FNN_QUARTIC](1, 3, 0, z, target, NULL, 1, d);
    show(1, &value);
    show(3, d);
    k->update[FNN_DECAYED](3, &u, da, w, s, NULL, NULL);
    show(3, w);
    show(3, s);
    return 0;
}
"""


def rows(family):
    """(name, last entry) of each row, read from the text."""
    text = (CSRC / "fnn_families.def").read_text()
    return re.findall(rf"^FNN_{family}\(\w+, (\w+), (\w+)\)", text, re.MULTILINE)


@with_sources
def test_python_numbers_the_rows_as_they_stand():
    for family, numbers in (
        ("ACTIVATION", table.ACTIVATIONS),
        ("LOSS", table.LOSSES),
        ("OPTIMIZER", table.OPTIMIZERS),
    ):
        assert [*numbers.items()] == [(name, number) for number, (name, _) in enumerate(rows(family))]
        assert len(numbers) >= 8
    assert {name for name, reads in rows("ACTIVATION") if reads == "z"} == table.READS_INPUT
    assert {"clipped_relu", "gelu", "gelu_tanh", "silu"} == table.READS_INPUT
    assert {name for name, kind in rows("LOSS") if kind == "labels"} == table.LABEL_LOSSES
    assert {"cross_entropy_labels", "hinge_labels"} == table.LABEL_LOSSES
    # momentum, squares of the gradient, both, and their largest: Polyak 1964 to Reddi 2018
    kept = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adadelta": 2, "adam": 2, "amsgrad": 3}
    assert kept == table.STATE_VECTORS


@with_sources
@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_a_row_and_its_functions_are_all_that_c_needs(tmp_path):
    shutil.copytree(CSRC, tmp_path / "csrc")
    families = tmp_path / "csrc" / "fnn_families.def"
    text = families.read_text()
    families.write_text(text.replace("\n#undef FNN_ACTIVATION", ROWS, 1))
    for name, functions in FUNCTIONS.items():
        template = tmp_path / "csrc" / f"fnn_{name}.tmpl.h"
        mark = functions.splitlines()[-1]
        assert template.read_text().count(mark) == 1
        template.write_text(template.read_text().replace(mark, functions.lstrip()))
    (tmp_path / "program.c").write_text(PROGRAM)
    command = ["cc", "-std=gnu11", "-w", "-I", str(tmp_path / "csrc"), "program.c", "-lm", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    output = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True).stdout
    cube, dcube, dhalf, value, dy, w, s = (np.array(line.split(), float) for line in output.splitlines())

    z, da, e = np.array([-2, 0.5, 3]), np.array([1, -2, 0.25]), np.array([-3, -0.5, 2])
    np.testing.assert_allclose(cube, z**3)
    np.testing.assert_allclose(dcube, 3 * z**2 * da)
    np.testing.assert_allclose(dhalf, [0, -1, 0.125])
    np.testing.assert_allclose(value, [np.mean(e**4)])
    np.testing.assert_allclose(dy, 4 * e**3 / 3)
    np.testing.assert_allclose(s, 0.25 * np.array([4, 8, 12]) + da)
    np.testing.assert_allclose(w, [1, 2, 3] - 0.5 * s)


def test_formats_refuse_an_activation_that_they_have_no_form_for(monkeypatch, tmp_path):
    net = fn.Sequential([fn.Dense(3, "softplus"), fn.Dense(2)], input_shape=4, seed=0)
    forms = {name: form for name, form in emitters.ACTIVATIONS.items() if name != "softplus"}
    monkeypatch.setattr(emitters, "ACTIVATIONS", forms)
    with pytest.raises(ValueError, match=r"export_c: Activation 'softplus' has no form in C yet: .*activations\.py"):
        net.export_c(tmp_path / "net.c")
    pytest.importorskip("onnx")
    monkeypatch.delitem(activations.TABLE, "softplus")
    with pytest.raises(ValueError, match=r"to_onnx: Activation 'softplus' has no form in ONNX yet: .*activations\.py"):
        net.to_onnx(tmp_path / "net.onnx")
