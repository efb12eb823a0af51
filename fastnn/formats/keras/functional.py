"""Models of Keras whose layers form a graph, read from their configuration."""

from typing import Any, NamedTuple

from fastnn import layers
from fastnn.formats.keras.layers import made_of, parts_of, with_mask
from fastnn.initializers import Constant
from fastnn.layers.base import Layer, Tensor, as_shape

MERGES = ("Add", "Average", "Concatenate", "Multiply", "Subtract")


class Read(NamedTuple):
    """A model as tensors here; ``owners``: which layer of Keras has the weights of each layer here."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    owners: dict[Layer, Any]


def graph_of(model: Any) -> Read:
    """Return a functional model as tensors; raises ValueError if a layer has no twin here."""
    config = model.get_config() if hasattr(model, "get_config") else {}
    if "input_layers" not in config:
        raise ValueError(
            f"from_keras: expected a Sequential or functional model, got {type(model).__name__}, whose call is code; "
            "build the network, then from_keras(model.get_weights(), into=net)"
        )
    reader = Reader(model)
    inputs = [reader.input_of(name) for name, *_ in listed(config["input_layers"])]
    # What mask_zero compares stands among the layers, and is read with the Embedding.
    waiting = [entry for entry in config["layers"] if entry["class_name"] not in ("InputLayer", "NotEqual")]
    while waiting:
        ready = [entry for entry in waiting if reader.is_ready(entry)]
        if not ready:
            raise ValueError(f"from_keras: layer {waiting[0]['name']!r}: what it is applied to is not in the model")
        for entry in ready:
            reader.apply(entry)
        waiting = [entry for entry in waiting if entry not in ready]
    outputs = [reader.tensors[tuple(place)] for place in listed(config["output_layers"])]
    return Read(inputs, outputs, reader.owners)


def listed(places: Any) -> list[Any]:
    """Return places as a list: of one, Keras gives it alone."""
    return [places] if places and isinstance(places[0], str) else list(places)


class Reader:
    """What is known of a model while it is read: tensors by (layer, application, output)."""

    def __init__(self, model: Any) -> None:
        self.parts = {part.name: part for part in model.layers}
        self.tensors: dict[tuple[Any, ...], Tensor] = {}
        self.masks: dict[Tensor, float] = {}
        self.owners: dict[Layer, Any] = {}
        self.made: dict[str, list[Layer]] = {}

    def input_of(self, name: str) -> Tensor:
        """Return the input of that name."""
        shape = self.parts[name].batch_shape[1:]
        if None in shape:
            raise ValueError(
                f"from_keras: input {name!r}: expected sizes that are known for all axes beside the batch, got {shape}"
            )
        self.tensors[name, 0, 0] = layers.Input(as_shape("from_keras", tuple(shape)))
        return self.tensors[name, 0, 0]

    def is_ready(self, entry: Any) -> bool:
        """Return whether all that a layer is applied to is there."""
        return all(place in self.tensors for node in entry["inbound_nodes"] for place in places_in(node["args"]))

    def apply(self, entry: Any) -> None:
        """Apply a layer wherever the model does."""
        name, kind = entry["name"], entry["class_name"]
        for number, node in enumerate(entry["inbound_nodes"]):
            given = [self.tensors[place] for place in places_in(node["args"])]
            if any(value is not None for key, value in node["kwargs"].items() if key not in ("training", "mask")):
                raise ValueError(
                    f"from_keras: layer {name!r} ({kind}): expected tensors alone, got {list(node['kwargs'])}"
                )
            if kind in MERGES:
                self.tensors[name, number, 0] = self.merged(name, kind, given)
            elif len(given) == 1:
                self.tensors[name, number, 0] = self.alone(name, given[0])
            else:
                raise ValueError(f"from_keras: layer {name!r} ({kind}): expected one input, got {len(given)}")

    def alone(self, name: str, x: Tensor) -> Tensor:
        """Apply a layer of one input, a nested Sequential too."""
        part = self.parts[name]
        inner = list(parts_of(part)) if type(part).__name__ == "Sequential" else [part]
        mask = self.masks.get(x)
        for place, one in enumerate(inner):
            key = f"{name}/{place}"
            if key not in self.made:
                title, made = made_of(one, x.shape, name)
                self.made[key], mask = with_mask(title, one, made, mask)
                self.owners |= dict.fromkeys(self.made[key], one)
            for layer in self.made[key]:
                x = layer(x)
        if mask is not None:
            self.masks[x] = mask
        return x

    def merged(self, name: str, kind: str, given: list[Tensor]) -> Tensor:
        """Apply a layer of several inputs."""
        if any(x in self.masks for x in given):
            raise ValueError(f"from_keras: layer {name!r} ({kind}): expected no mask before it")
        if kind == "Concatenate":
            if self.parts[name].get_config().get("axis", -1) not in (-1, len(given[0].shape)):
                raise ValueError(f"from_keras: layer {name!r} ({kind}): expected axis=-1")
            return layers.Concatenate()(*given)
        if kind == "Multiply":
            return layers.Multiply()(*given)
        if kind == "Subtract":
            return layers.Add()(given[0], scaled(given[1], -1.0))
        total = layers.Add()(*given)
        return scaled(total, 1 / len(given)) if kind == "Average" else total


def scaled(x: Tensor, factor: float) -> Tensor:
    """Return a tensor times a number."""
    return layers.Scale(shift=False, gamma_initializer=Constant(factor))(x)


def places_in(given: Any) -> list[tuple[Any, ...]]:
    """Return the places of the tensors among the arguments of a layer."""
    if isinstance(given, dict):
        if given.get("class_name") == "__keras_tensor__":
            return [tuple(given["config"]["keras_history"])]
        return places_in(list(given.values()))
    return [place for item in given for place in places_in(item)] if isinstance(given, list | tuple) else []
