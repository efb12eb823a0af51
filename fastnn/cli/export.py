"""``fastnn export``: a saved network as C source, or as an ONNX file."""

import argparse
from typing import Any

from fastnn.cli.model import KEY, Recipe
from fastnn.data import TableEncoder

HELP = "a saved network as C or ONNX"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", help="a saved network")
    parser.add_argument("--c", metavar="FILE.c", help="the C source to write; its header stands beside it")
    parser.add_argument("--name", help="what all names in C begin with, the name of the file if left out")
    parser.add_argument("--int8", action="store_true", help="weights in C as 8-bit whole numbers")
    parser.add_argument("--onnx", metavar="FILE.onnx", help="the ONNX file to write")


def run(arguments: argparse.Namespace) -> None:
    """Write a saved network as one C source file with its header, as an ONNX file, or both."""
    import fastnn as fn

    if arguments.c is None and arguments.onnx is None:
        raise ValueError("export: expected --c FILE.c or --onnx FILE.onnx, got neither")
    if arguments.c is None and (arguments.name is not None or arguments.int8):
        raise ValueError("export: --name and --int8 belong to --c FILE.c, which is not there")
    net: Any = fn.load(arguments.model)
    if arguments.c is not None:
        report = net.export_c(
            arguments.c, arguments.name, dtype="int8" if arguments.int8 else None, **scaling(net.metadata)
        )
        print(f"saved {report.source} and {report.header}: {report.name}_run(&scratch, ...)")
        print(f"{report.flash_bytes:,} bytes of constants, {report.ram_bytes:,} bytes of scratch")
        if arguments.int8:
            print(f"8 bits change an answer by {report.quantization_error:.2g} at most, on drawn rows")
    if arguments.onnx is not None:
        net.to_onnx(arguments.onnx)
        print(f"saved {arguments.onnx}")
        if isinstance(net.metadata, dict) and KEY in net.metadata and Recipe.from_metadata(net.metadata).inputs:
            print("its inputs are the encoded, standardised features; predict repeats both, ONNX does not")


def _columns(recipe: Recipe) -> list[str]:
    """Return what becomes of each column of a table, in words."""
    return TableEncoder.from_config(recipe.reading["encoder"]).report().splitlines()


def scaling(metadata: Any) -> dict[str, Any]:
    """Return what ``export_c`` is to know of how ``fastnn train`` scaled the data; nothing for other networks."""
    if not isinstance(metadata, dict) or KEY not in metadata:
        return {}
    recipe = Recipe.from_metadata(metadata)
    notes = [f"raw are the features: {', '.join(map(str, recipe.reading['features']))}."] * (
        "features" in recipe.reading
    )
    if "encoder" in recipe.reading:
        notes.append(
            "They are the numbers that fn.TableEncoder makes of a table, which is to be done beforehand.  Columns: "
            + "; ".join(" ".join(line.split()) for line in _columns(recipe)) + "."
        )  # fmt: skip
    if recipe.threshold is not None and recipe.classes is not None:
        place, value = recipe.threshold
        notes.append(f"{recipe.classes[int(place)]} is the answer from a probability of {value:.6g} on.")
    if recipe.classes is not None:
        notes.append(
            f"y has a number for each class of {recipe.target!r}, the largest is the answer: "
            f"{', '.join(map(str, recipe.classes))}.  Probabilities are exp(y_j) / sum_k exp(y_k)."
        )
    else:
        notes.append(f"values are those of {recipe.target!r}.")
    return {"standardizer": recipe.inputs, "target_standardizer": recipe.targets, "notes": "\n".join(notes)}
