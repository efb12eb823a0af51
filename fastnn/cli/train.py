"""``fastnn train``: a network from a file, saved with all that prediction needs."""

import argparse
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any
from warnings import catch_warnings, filterwarnings, simplefilter

import numpy as np

from fastnn.cli import launch, pictures, report, threshold
from fastnn.cli.files import Array, Dataset, Options, is_table, read_dataset, read_inputs, read_labelled
from fastnn.cli.model import Recipe, Training, fit_inputs, is_classification, network_targets
from fastnn.cli.reading import add_columns, add_files, encoder_of, in_options, whole_numbers
from fastnn.data import Standardizer, TableEncoder, split
from fastnn.data.class_weights import class_weights
from fastnn.graph.outputs import read_outputs
from fastnn.losses.link import SOFTMAX
from fastnn.training.callbacks import Callback, EarlyStopping, EpochLog, ProgressBar

_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
DEALT_OUT = 128  # rows of a mini-batch from which on processes share it
HELP = "train a network on a file"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("data", metavar="DATA", help="the file, for IDX that of the images; or a folder of pictures")
    parser.add_argument("--target", help="column, array of the .npz, or IDX file of the labels; not for pictures")
    parser.add_argument("--hidden", type=_widths, metavar="N,N,...", help="widths of the hidden layers, or 'none' "
                        "(default: 64,64, of pictures none)")  # fmt: skip
    parser.add_argument("--activation", default="relu", help="activation of the hidden layers")
    parser.add_argument("--dropout", type=float, default=0.0, help="part of each hidden layer that is dropped, "
                        "of pictures of what the last layer reads")  # fmt: skip
    parser.add_argument("--epochs", type=int, default=100, help="most passes over the data")
    parser.add_argument("--batch-size", type=int, default=32, help="rows per update")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--optimizer", choices=sorted(_OPTIMIZERS), default="adam", help="optimiser")
    parser.add_argument(
        "--validation",
        type=_validation,
        default=0.2,
        metavar="PART|FILE",
        help="part of the rows to validate on, 0 for none, or a file like DATA",
    )
    parser.add_argument("--test", metavar="FILE", help="a file like DATA to score the trained network on")
    parser.add_argument("--class-weight", choices=["balanced"], help="let rare classes count as much as others")
    parser.add_argument(
        "--threshold",
        type=threshold.wanted,
        metavar="f1|cost=RATIO",
        help="of two classes: choose the probability from which on the rarer one is the answer by its "
        "F1 score, or by what a missed row costs in false alarms",
    )
    pictures.add_options(parser)
    add_columns(parser)
    add_files(parser)
    parser.add_argument("--patience", type=int, default=10, help="epochs without gain in validation before stopping")
    parser.add_argument("--seed", type=int, default=0, help="seed of split, initial weights and shuffle")
    task = parser.add_mutually_exclusive_group()
    text = "%s, where the target does not say so itself"
    task.add_argument("--classification", dest="task", action="store_const", const=True, help=text % "classes")
    task.add_argument("--regression", dest="task", action="store_const", const=False, help=text % "numbers")
    parser.add_argument("--out", default="m.safetensors", help="the file to write")
    parser.add_argument("--report", metavar="FILE", help="an .html file to write a report to, on the validation rows")


def run(arguments: argparse.Namespace) -> None:
    """Train a network on a CSV, TSV, Parquet, .npz (inputs in array X) or IDX file, or a folder, and save it.

    Processes that mpiexec starts train it together; the first one prints and writes.
    """
    team = launch.world("train")
    if team is None or team.Get_rank() == 0:
        if team is not None and arguments.batch_size < DEALT_OUT:
            print(
                f"note: mini-batches of {arguments.batch_size} rows are hardly dealt out to {team.Get_size()} "
                f"processes; choose a --batch-size of {DEALT_OUT} or more"
            )
        _run(arguments, team, True)
    else:
        with redirect_stdout(StringIO()):
            _run(arguments, team, False)


def _run(arguments: argparse.Namespace, team: Any, writes: bool) -> None:
    """Train alone, or in a team; ``writes``: the files are this process's to write."""
    for option, path in (("--out", arguments.out), ("--report", arguments.report)):
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise ValueError(f"train: expected {option} in a folder that exists, got {path!r}")
    folder = pictures.is_folder(arguments.data)
    pictures.require_options(arguments, table=not folder and is_table(arguments.data))
    if arguments.target is None:
        raise ValueError("train: expected --target, the column, array or IDX file of what is to be learned")
    options = Options.of(arguments, encoder_of(arguments))
    with catch_warnings(record=True) as notes:
        simplefilter("always")
        if folder:
            dataset = Dataset(*pictures.read_folder(arguments))
        else:
            dataset = read_dataset(arguments.data, arguments.target, options)
    for note in dict.fromkeys(str(one.message) for one in notes if one.category is UserWarning):
        print(f"note: {in_options(note)}")
    images = "images" in dataset.reading
    pictures.complete_options(arguments, images)
    encoder = TableEncoder.from_config(dataset.reading["encoder"]) if "encoder" in dataset.reading else None
    if encoder is not None:
        print(encoder.report())
    classify = is_classification(dataset.y) if arguments.task is None else arguments.task
    y = dataset.y
    if classify and y.ndim != 1:
        raise ValueError(f"train: expected one class per row, got targets of shape {y.shape}; use --regression")
    if not classify and y.dtype.kind not in "biuf":
        raise ValueError(f"train: expected numbers for a regression, got {y.dtype} in {arguments.target!r}")
    classes = np.unique(y) if classify else None
    if classes is not None and len(classes) < 2:
        raise ValueError(f"train: expected at least two classes in {arguments.target!r}, got {classes.tolist()}")
    if arguments.class_weight and classes is None:
        raise ValueError("train: expected classes for --class-weight, got a regression")
    if arguments.threshold and (classes is None or len(classes) != 2):
        raise ValueError(
            f"train: expected two classes for --threshold, got {'values' if classes is None else len(classes)}"
        )
    learned, held_out = _parts(arguments, options, dataset, classify)
    recipe = Recipe(
        target=arguments.target,
        reading=dataset.reading,
        inputs=None if images else fit_inputs(learned[0], encoder),
        classes=None if classes is None else classes.tolist(),
        targets=None if classify else Standardizer().fit(learned[1]),
    )
    net = _train(arguments, recipe, learned, held_out, team)
    if arguments.threshold:
        recipe = _with_threshold(arguments.threshold, net, recipe, held_out or learned)
    if arguments.test is not None:
        print(scores_of(net, recipe, *_labelled(arguments.test, arguments.target, recipe.reading, options), "test"))
    if not writes:
        return
    net.save(arguments.out, metadata=recipe.to_metadata() | Training.of(net).to_metadata())
    print(f"saved {arguments.out}")
    if arguments.report is not None:
        rows = held_out or learned
        found = report.write(net, recipe, arguments.report, *rows, arguments.data)
        print(report.summary(found, len(rows[0])))


def _parts(
    arguments: argparse.Namespace, options: Options, dataset: Dataset, classify: bool
) -> tuple[tuple[Array, Array], tuple[Array, Array] | None]:
    """Return the rows to train on, and those to validate on or None."""
    X, y = dataset.X, dataset.y
    if isinstance(arguments.validation, str):
        return (X, y), _labelled(arguments.validation, arguments.target, dataset.reading, options)
    if not arguments.validation:
        return (X, y), None
    single = np.zeros(len(y), dtype=bool)
    if classify:  # a class of one row cannot be in both parts: it is learned
        found, places, counts = np.unique(y, return_inverse=True, return_counts=True)
        single = counts[places] == 1
        if single.any() and not single.all():
            print(f"note: only one row each, none to validate on, of {', '.join(map(str, found[counts == 1]))}")
    if single.all():
        return (X, y), None
    rest = X[~single], y[~single]
    X_train, X_val, y_train, y_val = split(*rest, arguments.validation, stratify=classify, seed=arguments.seed)
    if single.any():
        X_train, y_train = np.concatenate([X_train, X[single]]), np.concatenate([y_train, y[single]])
    return (X_train, y_train), (X_val, y_val)


def _labelled(path: str, target: str, reading: dict[str, Any], options: Options) -> tuple[Array, Array]:
    """Return rows and targets of a file like that of the training."""
    return read_inputs(path, reading, "train", options), read_labelled(path, target, reading, options)


def _with_threshold(by: Any, net: Any, recipe: Recipe, rows: tuple[Array, Array]) -> Recipe:
    """Return the recipe with the probability from which on the rarer of two classes is the answer."""
    labels = network_targets(recipe, rows[1], "train")
    positive = int(2 * labels.sum() <= len(labels))
    shares = _shares(net, recipe, rows[0])
    value = threshold.choose(by, labels == positive, shares[:, positive])
    assert recipe.classes is not None
    print(f"{recipe.classes[positive]} is the answer from a probability of {value:.4g} on")
    return replace(recipe, threshold=[positive, value])


def _shares(net: Any, recipe: Recipe, X: Array) -> Array:
    """Return the probabilities (B, K) of classes."""
    (output,) = read_outputs(net.plan, [SOFTMAX], net.output_shapes)
    result = output.probabilities(net.predict(recipe.network_inputs(X)))
    assert result is not None  # they come of softmax
    return result


def scores_of(net: Any, recipe: Recipe, X: Array, y: Array, where: str) -> str:
    """Return what a network scores on some rows, in words."""
    found = net.evaluate(recipe.network_inputs(X), network_targets(recipe, y, "train"))
    name = "r2" if recipe.classes is None else "accuracy"
    if recipe.threshold is not None:
        right = recipe.chosen(_shares(net, recipe, X)) == network_targets(recipe, y, "train")
        found[name] = float(right.mean())
    return f"{where} {name} {found[name]:.4f}, loss {found['loss']:.4g}, {len(X)} rows"


def _validation(text: str) -> float | str:
    """Return the part of the rows to validate on, or the file of them."""
    try:
        part = float(text)
    except ValueError:
        return text
    if not 0.0 <= part < 1.0:
        raise argparse.ArgumentTypeError(f"expected a part from 0 to below 1, or a file, got {text}")
    return part


def _train(arguments: argparse.Namespace, recipe: Recipe, data: tuple[Array, Array], held_out: Any, team: Any) -> Any:
    import fastnn as fn

    X, y = recipe.network_inputs(data[0]), network_targets(recipe, data[1])
    outputs = y.shape[1] if recipe.classes is None else len(recipe.classes)
    if recipe.inputs is None:
        layers = pictures.layers(arguments, data[0], outputs)
    else:
        layers = _dense_layers(arguments, outputs)
    if team is not None and any(isinstance(layer, fn.BatchNorm) for layer in layers):
        raise ValueError(
            "train: expected rows of a table or an array for several processes, got pictures, whose network has "
            "BatchNorm, where the rows of a mini-batch meet; start one process"
        )
    net = fn.Sequential(layers, input_shape=X.shape[1:], seed=arguments.seed)
    optimizer = getattr(fn, _OPTIMIZERS[arguments.optimizer])(arguments.learning_rate)
    loss, metric = ("squared_error", "r2") if recipe.classes is None else ("cross_entropy", "accuracy")
    net.compile(loss=loss, optimizer=optimizer, metrics=[metric])
    print(
        f"{'regression' if recipe.classes is None else f'{len(recipe.classes)} classes'}: {len(X)} rows to train on, "
        f"{0 if held_out is None else len(held_out[0])} to validate on, {_described(X)}"
    )
    watchers: list[Callback] = [
        ProgressBar() if sys.stderr.isatty() else EpochLog(every=max(1, arguments.epochs // 10))
    ]
    validation = None
    if held_out is not None:
        validation = recipe.network_inputs(held_out[0]), network_targets(recipe, held_out[1])
        watchers.append(EarlyStopping(patience=arguments.patience))
    start = perf_counter()
    weights = None
    if arguments.class_weight:
        weights = class_weights("train", arguments.class_weight, y, range(outputs))
    rows: dict[str, Any] = {"X": X, "y": y, "sample_weight": weights}
    if recipe.inputs is None and arguments.augment:
        changes = pictures.changes(arguments.augment, data[0])
        rows = {"X": fn.Augmented(data[0], y, changes, sample_weight=weights, seed=arguments.seed)}
    with catch_warnings():
        filterwarnings("ignore", "fit: updates from")  # a note has said it, in words of the command line
        history = net.fit(
            **rows, epochs=arguments.epochs, batch_size=arguments.batch_size, validation_data=validation,
            callbacks=watchers, verbose=0, team=team,
        )  # fmt: skip
    seconds = perf_counter() - start
    scores = net.evaluate(*(validation or (X, y)))
    where = "validation" if validation else "training"
    print(
        f"{where} {metric} {scores[metric]:.4f}, loss {scores['loss']:.4g}, after {len(history.epochs)} epochs "
        f"in {seconds:.2f} s"
    )
    return net


def _dense_layers(arguments: argparse.Namespace, outputs: int) -> list[Any]:
    """Return hidden layers, and the last one."""
    import fastnn as fn

    layers: list[Any] = []
    for width in arguments.hidden:
        layers.append(fn.Dense(width, arguments.activation))
        if arguments.dropout:
            layers.append(fn.Dropout(arguments.dropout))
    return [*layers, fn.Dense(outputs)]


def _described(X: Array) -> str:
    """Return what a row is, in words."""
    if X.ndim == 2:
        return f"{X.shape[1]} inputs"
    height, width, channels = X.shape[1:]
    colours = {1: "grey", 3: "in colours"}.get(channels, f"{channels} channels")
    return f"pictures of {height} x {width} pixels, {colours}"


def _widths(text: str) -> tuple[int, ...]:
    return () if text == "none" else whole_numbers(text, "widths such as 64,64 or 'none'")
