"""Recurrent layers in C: a loop over the steps of a sequence around products and a cell."""

from math import prod
from typing import Any

from fastnn.formats.c.program import Site, Value


def simple_rnn(site: Site) -> tuple[Value, str]:
    """``h = activation(x_t W + h U + b)``."""
    name = site.layer.activation
    z, state = site.new(site.layer.units, "z"), site.new(site.layer.units, "state")

    def cell() -> None:
        if name == "identity":
            site.call("copy", site.layer.units, z, state)
        else:
            site.call(name, site.layer.units, z, state)

    formula = f"h = {'' if name == 'identity' else name}(x_t W + h U{' + b' * site.layer.bias})"
    return over_steps(site, z, state, site.layer.units, cell), described(site, formula)


def lstm(site: Site) -> tuple[Value, str]:
    """The gates i, f, g, o, then c and h."""
    units, width = site.layer.units, len(site.layer.gates) * site.layer.units
    z, state = site.new(width, "z"), site.new(2 * units, "state")
    h, c = state.part(0, units), state.part(units, units)

    def cell() -> None:
        site.call("lstm_cell", units, int(site.layer.forget_gate), site.constant("peephole"), z, h, c)

    gates = "i, f, o" if site.layer.forget_gate else "i, o"
    seen = ", seen c through peepholes" if site.layer.peepholes else ""
    formula = f"{gates} = sigmoid(x_t W + h U{' + b' * site.layer.bias}{seen}), g = tanh(likewise), "
    formula += f"c = {'f c' if site.layer.forget_gate else 'c'} + i g, h = o tanh(c)"
    return over_steps(site, z, state, width, cell), described(site, formula)


def gru(site: Site) -> tuple[Value, str]:
    """The gates r and u, the candidate n, then h."""
    units = site.layer.units
    z, q, state = site.new(3 * units, "z"), site.new(units, "q"), site.new(units, "state")

    def cell() -> None:
        candidate = units, units, 3 * units, 2 * units
        weight = site.matrix("recurrent_weight")
        if site.layer.reset_after:
            site.call("product", *candidate, state, weight, site.constant("recurrent_bias"), q)
            site.call("gru_cell", units, z, q, state)
        else:
            n = z.part(2 * units, units)
            site.call("gru_reset", units, z, state, q)
            site.call("product", *candidate, q, weight, n, n)
            site.call("gru_update", units, z, state)

    reset = "r (h U)" if site.layer.reset_after else "(r h) U"
    formula = f"r, u = sigmoid(x_t W + h U{' + b' * site.layer.bias}), n = tanh(x_t W + {reset}, likewise), "
    return over_steps(site, z, state, 2 * units, cell), described(site, f"{formula}h = (1 - u) n + u h")


def over_steps(site: Site, z: Value, state: Value, columns: int, cell: Any) -> Value:
    """Emit the loop: products into z (of the state: into its first ``columns``), ``cell``, and what is to be kept."""
    steps, inputs = site.input_shapes[0]
    units, x = site.layer.units, site.inputs[0]
    if len(site.inputs) == 2:
        site.call("copy", state.size, site.inputs[1], state)
    else:
        site.call("zero", state.size, state)
    kept = site.layer.return_sequences or site.layer.return_state
    out = site.new(prod(site.output_shape)) if kept else state.part(0, units)
    order = f"t = {steps - 1}; t >= 0; t--" if site.layer.go_backwards else f"t = 0; t < {steps}; t++"
    site.line("{")
    site.line("int t;")
    site.line(f"for ({order}) {{")
    if site.layer.mask_value is not None:
        masked, value = site.use("masked"), site.argument(float(site.layer.mask_value))
        site.line(f"if ({masked}({inputs}, {x.c} + {inputs} * t, {value})) {{")
        if site.layer.return_sequences:
            site.call("zero", units, f"{out.c} + {units} * t")
        site.line("continue;")
        site.line("}")
    row = z.size
    site.call("product", inputs, row, row, 0, f"{x.c} + {inputs} * t", site.matrix("weight"), site.constant("bias"), z)
    site.call("product", units, columns, row, 0, state.part(0, units), site.matrix("recurrent_weight"), z, z)
    cell()
    if site.layer.return_sequences:
        site.call("copy", units, state.part(0, units), f"{out.c} + {units} * t")
    site.line("}")
    site.line("}")
    if kept and not site.layer.return_sequences:
        site.call("copy", units, state.part(0, units), out)
    if site.layer.return_state:
        at = (steps if site.layer.return_sequences else 1) * units
        site.call("copy", state.size, state, out.part(at, state.size))
    return out


def described(site: Site, formula: str) -> str:
    """The formula with what it is applied to."""
    steps, _ = site.input_shapes[0]
    kept = "h of each" if site.layer.return_sequences else "h of the last"
    ahead = "backwards " if site.layer.go_backwards else ""
    parts = [f"{type(site.layer).__name__} {ahead}over the {steps} steps of {site.reads[0]}, {kept}"]
    if site.layer.return_state:
        parts.append("then the last state")
    if len(site.inputs) == 2:
        parts.append(f"from the state {site.reads[1]}")
    if site.layer.mask_value is not None:
        parts.append(f"steps of nothing but {site.layer.mask_value:g} left out")
    return f"{', '.join(parts)}: {formula}"
