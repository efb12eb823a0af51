"""Files: what is saved comes back bit for bit, is written whole or not at all, and damage has one exception."""
# ruff: noqa: E501  (a case of a table is one line)

import copy
import os
import pickle
import random
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.model_files import assemble, parts, sign, unsigned
from helpers.mutants import mutate

import fastnn as fn
from fastnn.formats import safetensors as files

X = np.random.default_rng(0).normal(size=(37, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 37)
SQUARE = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
SCALE = fn.Custom(
    lambda x, a: x * a, lambda x, y, dy, a: (dy * a, {"a": (dy * x).sum(axis=0)}),
    parameters={"a": (lambda shape: shape, "ones")}, name="scaled",
)  # fmt: skip


def sequential(dtype="float32", seed=5):
    return fn.Sequential(
        [fn.Dense(8, "relu", name="first"), fn.Dropout(0.3), fn.DropConnect(6, "tanh", rate=0.2), fn.Dense(3)],
        input_shape=4, seed=seed, dtype=dtype,
    )  # fmt: skip


def functional(dtype="float32"):
    """Two inputs, two outputs, a shared layer, a residual block and a slice."""
    a, b = fn.Input(4, name="left"), fn.Input((2, 2))
    shared = fn.Dense(5, fn.Activation("leaky_relu", alpha=0.2), name="both")
    h = fn.concatenate(shared(a), shared(fn.Flatten()(b)))
    h = fn.Residual([fn.Dense(7, "elu"), fn.Dense(10)])(h)
    h = fn.Residual([fn.Dense(6, "silu")], projection=fn.Dense(6, bias=False))(h)
    y = fn.Reshape((2, 2))(fn.slice(h, 1, -1))
    return fn.Network([a, b], [fn.Dense(3, "softmax")(h), y], seed=11, dtype=dtype)


def custom():
    return fn.Sequential([fn.Dense(5, SQUARE), SCALE, fn.Dense(3)], input_shape=4, seed=2)


def no_parameters():
    return fn.Sequential([fn.Flatten(), fn.Activation("tanh")], input_shape=(2, 2), seed=0)


NETS = {
    "sequential": sequential, "float64": lambda: sequential("float64"), "functional": functional,
    "functional64": lambda: functional("float64"), "custom": custom, "none": no_parameters,
    "initializers": lambda: fn.Sequential(
        [fn.Dense(4, kernel_initializer=fn.Orthogonal(1.5), bias_initializer="ones", bias=True)], input_shape=4, seed=(1 << 64) - 1),
}  # fmt: skip


def ask(net):
    """Some answers of any of these networks."""
    rows = [
        np.random.default_rng(i).normal(size=(9, *shape)).astype(net.dtype) for i, shape in enumerate(net.input_shapes)
    ]
    answers = net.predict(rows if len(rows) > 1 else rows[0])
    return b"".join(np.asarray(y).tobytes() for y in (answers if isinstance(answers, list) else [answers]))


def same(a, b):
    assert type(a) is type(b)
    assert a.dtype == b.dtype
    assert a.seed == b.seed
    assert a.params.tobytes() == b.params.tobytes()
    assert [name for name, _ in a.named_parameters()] == [name for name, _ in b.named_parameters()]
    assert a.summary() == b.summary()
    assert a.metadata == b.metadata
    assert ask(a) == ask(b)


@pytest.mark.parametrize("name", NETS)
def test_what_is_saved_comes_back(name, tmp_path):
    net = NETS[name]()
    net.save(tmp_path / "m", metadata={"units": ["kW", None, 1.5], "nested": {"type": "Custom", "name": "x"}})
    again = fn.load(str(tmp_path / "m"), custom={"square": SQUARE, "scaled": SCALE})
    net.metadata = {"units": ["kW", None, 1.5], "nested": {"type": "Custom", "name": "x"}}
    same(net, again)
    assert again.trainer is None
    again.save(tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()  # metadata stay with the network


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"]
)
def test_copies(name, way):
    if name == "custom" and way is not copy.deepcopy:
        pytest.skip("lambdas do not pickle")
    net = NETS[name]()
    again = way(net)
    same(net, again)
    if net.n_params:
        again.params[:] = 0
        assert net.params.any()  # a copy of its own


def test_a_file_is_a_plain_safetensors_file(tmp_path):
    from safetensors.numpy import load_file

    net = sequential()
    net.save(tmp_path / "m")
    tensors = load_file(tmp_path / "m")
    assert set(tensors) == {name for name, _ in net.named_parameters()}
    assert tensors["first.weight"].shape == (4, 8)
    assert np.array_equal(tensors["first.weight"], net.layers[0].weight)


RATE = {"adadelta": 1.0, "adagrad": 0.05}
OPTIMIZERS = {
    "sgd": fn.SGD(0.05), "momentum": fn.SGD(0.05, momentum=0.9), "nesterov": fn.SGD(0.05, momentum=0.8, nesterov=True),
    "adagrad": fn.Adagrad(0.05, initial_accumulator=0.1), "rmsprop": fn.RMSprop(0.01), "adadelta": fn.Adadelta(),
    "adam": fn.Adam(0.01), "adamw": fn.AdamW(0.01, clip_norm=1.0), "amsgrad": fn.AMSGrad(0.01, l2=1e-3, max_norm=2.0),
    "groups": fn.Adam(0.01, groups={"first": fn.Group(rate=0.1), "dense_1": fn.Group(frozen=True)}),
    "step": fn.SGD(fn.StepDecay(0.1, every=7), momentum=0.5), "cosine": fn.Adam(fn.CosineDecay(0.05, total_steps=60, warmup_steps=9)),
    "cycle": fn.Adam(fn.OneCycle(0.05, total_steps=70)), "exponential": fn.SGD(fn.ExponentialDecay(0.1, factor=0.5, every=9)),
    "inverse": fn.SGD(fn.InverseTimeDecay(0.1, rate=0.05)),
    "plateau": fn.SGD(fn.ReduceOnPlateau(0.05, factor=0.5, patience=2, min_delta=0.05, monitor="loss"), momentum=0.9),
}  # fmt: skip


def fingerprint(net):
    return (
        net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.trainer.optimizer.step, net.trainer.step, net.epoch,
        net.forwards, net.learning_rate, dict(getattr(net.schedule, "state", {})),
    )  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_epochs_are_five_saved_and_five_more(name, tmp_path):
    """With dropout, shuffles and a smaller last batch, bit for bit."""
    options = {"epochs": 5, "batch_size": 8, "verbose": 0}
    nets = [sequential() for _ in range(4)]
    for net in nets:
        net.compile(fn.CrossEntropy(label_smoothing=0.1), OPTIMIZERS[name], metrics=["accuracy"])
        net.forward(X, training=True)
        net.fit(X, Y, **options)
    nets[1].save(tmp_path / "m", optimizer=True)
    nets[1] = fn.load(tmp_path / "m")
    nets[2], nets[3] = copy.deepcopy(nets[2]), pickle.loads(pickle.dumps(nets[3]))
    for net in nets:
        history = net.fit(X, Y, **options)
        assert history.epochs == [6, 7, 8, 9, 10]
        net.train_step(X[0], 1)
        net.forward(X, training=True)
    for net in nets[1:]:
        assert fingerprint(net) == fingerprint(nets[0])
        assert net.metrics == ("accuracy",)
        assert net.optimizer == OPTIMIZERS[name]
    if name == "plateau":
        assert nets[0].learning_rate < 0.05


def test_several_losses_resume(tmp_path):
    net, other = functional(), functional()
    rows = [X[:9], X[:9].reshape(9, 2, 2)]
    goals = [Y[:9], np.ones((9, 2, 2))]
    for n in (net, other):
        n.compile([fn.CrossEntropy(), fn.Huber(0.5)], "adam", loss_weights=[1.0, 0.25])
        n.fit(rows, goals, epochs=2, batch_size=4, verbose=0)
    net.save(tmp_path / "m", optimizer=True)
    net = fn.load(tmp_path / "m")
    for n in (net, other):
        n.fit(rows, goals, epochs=2, batch_size=4, verbose=0)
    assert fingerprint(net) == fingerprint(other)
    assert net.loss_weights == [1.0, 0.25]


def test_code_is_not_saved(tmp_path):
    net = sequential()
    for loss, optimizer, metrics in [
        (lambda t, y: (y.sum(axis=1), y), "adam", ()), ("cross_entropy", fn.SGD(lambda step: 0.1), ()),
        ("cross_entropy", "adam", [lambda t, y: 1.0]),
    ]:  # fmt: skip
        net.compile(loss, optimizer, metrics=metrics)
        with pytest.raises((ValueError, TypeError), match="function"):
            net.save(tmp_path / "m", optimizer=True)
        net.save(tmp_path / "without")
    nameless = fn.Sequential([fn.Custom(lambda x: x, lambda x, y, dy: dy)], input_shape=4, seed=0)
    with pytest.raises(ValueError, match="Custom: expected a name for saving"):
        nameless.save(tmp_path / "m")
    assert os.listdir(tmp_path) == ["without"]


def test_custom_layers_must_be_given_again(tmp_path):
    custom().save(tmp_path / "m")
    with pytest.raises(fn.ModelFormatError, match=r"custom layer 'square'.*pass fn\.load"):
        fn.load(tmp_path / "m")
    with pytest.raises(fn.ModelFormatError, match="custom layer 'scaled'"):
        fn.load(tmp_path / "m", custom={"square": SQUARE})
    with pytest.raises(fn.ModelFormatError):  # it has no parameter
        fn.load(tmp_path / "m", custom={"square": SQUARE, "scaled": SQUARE})


@pytest.mark.parametrize(
    ("name", "old", "new"), [("sequential", "float32", "float64"), ("float64", "float64", "float32")]
)
def test_a_file_of_one_dtype_is_none_of_the_other(name, old, new, tmp_path):
    NETS[name]().save(tmp_path / "m")
    data = (tmp_path / "m").read_bytes()
    text = rf"\"dtype\": \"{old}\"".encode()
    assert text in data
    (tmp_path / "m").write_bytes(sign(unsigned(data).replace(text, rf"\"dtype\": \"{new}\"".encode())))
    with pytest.raises(
        fn.ModelFormatError, match=rf"expected {new} \(4, 8\), got {old} \(4, 8\)|more parameters than the file holds"
    ):
        fn.load(tmp_path / "m")


# ---- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file(call, error, tmp_path, monkeypatch):
    old = sequential()
    old.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(type(error)):
            sequential(seed=6).save(tmp_path / "m")
    assert os.listdir(tmp_path) == ["m"]
    assert (tmp_path / "m").read_bytes() == before


def test_the_order_of_a_write(tmp_path, monkeypatch):
    """Data reach the disk before the name does, and the name before save returns."""
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (calls.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), fsync(fd)),
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    sequential().save(tmp_path / "m")
    assert calls == ["file", "rename", "directory"]


def test_a_full_disk(tmp_path):
    """By a limit on the size of files, in a process of its own."""
    code = """
import os, resource, signal, sys, fastnn as fn
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
net = fn.Sequential([fn.Dense(100)], input_shape=100, seed=0)
net.save(sys.argv[1])
before = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
net.params[:] = 0
try:
    net.save(sys.argv[1])
except OSError as error:
    print(type(error).__name__, os.listdir(os.path.dirname(sys.argv[1])), open(sys.argv[1], "rb").read() == before)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout == "OSError ['m'] True\n"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_is_the_old_one_or_what_the_process_gives(mask, tmp_path):
    was = os.umask(mask)
    try:
        sequential().save(tmp_path / "m")
        assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o666 & ~mask
        (tmp_path / "m").chmod(0o640)
        sequential().save(tmp_path / "m")
        assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640
    finally:
        os.umask(was)


def test_links_are_followed_and_other_things_left_alone(tmp_path):
    (tmp_path / "real").mkdir()
    sequential().save(tmp_path / "real" / "m")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "m")
    net = sequential(seed=9)
    net.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    same(fn.load(tmp_path / "real" / "m"), net)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="expected a file to write or replace"):
        net.save(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(fn.ModelFormatError, match="expected a file, got something else"):
        fn.load(tmp_path / "pipe")
    net.save(tmp_path / ("n" * 240))
    same(fn.load(tmp_path / ("n" * 240)), net)


# ---- damage --------------------------------------------------------------------------------------------------------


def seeds():
    """Contents of a few files of different make."""
    trained = sequential()
    trained.compile(
        "cross_entropy",
        fn.SGD(fn.ReduceOnPlateau(0.05, monitor="loss"), momentum=0.9, groups={"first": fn.Group(rate=0.5)}),
        metrics=["accuracy"],
    )
    trained.fit(X, Y, verbose=0)
    result = [files.to_bytes(trained, optimizer=True, metadata={"a": [1, 2.5, None]})]
    plain = functional()
    plain.compile(["cross_entropy", fn.Huber(0.5)], fn.Adam(fn.OneCycle(0.1, total_steps=9)))
    result.append(files.to_bytes(plain, optimizer=True, metadata=None))
    result += [files.to_bytes(NETS[name](), optimizer=False, metadata=None) for name in ("float64", "custom", "none")]
    return result


def attempt(data, limit=5.0):
    """Load contents; only a network that agrees with itself or a ModelFormatError may come of it, soon."""
    began = time.process_time()
    try:
        net = files.from_bytes(data, {"square": SQUARE, "scaled": SCALE})
    except fn.ModelFormatError:
        return None
    finally:
        assert time.process_time() - began < limit
    assert np.isfinite(net.params).all()
    assert net.params.nbytes <= len(data)
    again = files.to_bytes(net, optimizer=net.trainer is not None, metadata=None)
    second = files.from_bytes(again, {"square": SQUARE, "scaled": SCALE})
    assert second.params.tobytes() == net.params.tobytes()
    assert second.structure.to_config() == net.structure.to_config()
    return net


@pytest.mark.parametrize("which", range(5))
def test_bytes_flipped_cut_and_put_in(which):
    data = seeds()[which]
    assert attempt(data) is not None
    chance, loaded, tries = random.Random(which), 0, 1500
    for _ in range(tries):
        broken = bytearray(data)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at = chance.randrange(len(broken)) if chance.random() < 0.3 else chance.randrange(min(len(broken), 3000))
            kind = chance.randrange(6)
            if kind == 0:
                broken[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                broken[at] = chance.choice(b'0123456789{}[]",:-.eEntf\\\0\xff')
            elif kind == 2:
                del broken[at : at + chance.choice([1, 1, 4, 50])]
            elif kind == 3:
                broken[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice([1, 1, 8])))
            elif kind == 4:
                del broken[at:]
            else:
                broken[at:at] = broken[at : at + chance.choice([1, 10, 100])]
            if not broken:
                break
        loaded += attempt(bytes(broken)) is not None
    assert loaded < tries  # the mutations do something


@pytest.mark.parametrize("which", range(5))
def test_descriptions_with_another_content(which):
    header, description, body = parts(seeds()[which])
    assert attempt(assemble(header, description, body)) is not None
    chance, loaded = random.Random(which), 0
    for _ in range(1500):
        other_header, other = header, description
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            if chance.random() < 0.85 or len(other_header) < 2:
                other = mutate(other, chance) if isinstance(other, dict) and other else other
            else:
                mutated = mutate({k: v for k, v in other_header.items() if k != "__metadata__"}, chance)
                other_header = {"__metadata__": None, **mutated}
        if other_header is not header and not isinstance(other_header, dict):
            continue
        loaded += attempt(assemble(other_header, other, body)) is not None
    assert loaded < 1500


def chain(layers, shape, count=1):
    """A description of layers one after the other, without arrays."""
    return {
        "format": 1, "kind": "Sequential", "dtype": "float32", "seed": 0, "metadata": {},
        "structure": {"inputs": [{"shape": shape, "name": None}], "layers": layers,
                      "nodes": [{"layer": i % len(layers), "inputs": [i]} for i in range(len(layers) * count)],
                      "outputs": [len(layers) * count]},
    }  # fmt: skip


BOMBS = {
    "wide": chain([{"type": "Dense", "units": 2**20}, {"type": "Dense", "units": 2**20}], [2**20]),
    "many": chain([{"type": "Dense", "units": 500} for _ in range(4000)], [500]),
    "input": chain([{"type": "Dropout", "rate": 0.5}], [2**45]),
    "product": chain([{"type": "Activation", "function": "tanh"}], [2**31, 2**31]),
    "flatten": chain([{"type": "Flatten"}], [2**31, 2**31, 2**31]),
    "slice": chain([{"type": "Slice", "start": 0, "stop": 1}], [2**62]),
    "orthogonal": chain([{"type": "Dense", "units": 4000, "kernel_initializer": "orthogonal"}], [4000]),
    "layers": chain([{"type": "Flatten"} for _ in range(100_000)], [4]),
    "nodes": chain([{"type": "Activation", "function": "tanh"}], [4], 200_000),
    "deep": chain([{"type": "Dense", "units": 2, "activation": "tanh"}], [2]),
}
nested = BOMBS["deep"]["structure"]["layers"][0]
for _ in range(150):
    nested["activation"] = {"type": "Dense", "units": 2, "activation": "tanh"}
    nested = nested["activation"]


@pytest.mark.parametrize("name", BOMBS)
def test_sizes_that_a_file_cannot_fill_are_refused_at_once(name):
    data = assemble({}, BOMBS[name], b"")
    began = time.process_time()
    with pytest.raises(fn.ModelFormatError):
        files.from_bytes(data, {})
    assert time.process_time() - began < 3.0


def test_bombs_take_no_memory(tmp_path):
    code = """
import resource, sys, fastnn as fn
from fastnn.formats import safetensors as files
fn.Sequential([fn.Dense(2)], input_shape=2, seed=0).predict([[1, 2]])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        fn.load(path)
        print("loaded", path)
    except fn.ModelFormatError:
        pass
print("ok")
"""
    for name, description in BOMBS.items():
        (tmp_path / name).write_bytes(assemble({}, description, b""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code, *(str(tmp_path / name) for name in BOMBS)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert (run.stdout, run.returncode) == ("ok\n", 0), run.stderr[-2000:]


def test_loading_touches_no_global_state(tmp_path):
    def state():
        return np.random.get_state()[1].tobytes(), np.geterr(), dict(os.environ), os.getcwd()  # noqa: NPY002

    sequential().save(tmp_path / "m")
    before = state()
    fn.load(tmp_path / "m")
    assert state() == before
