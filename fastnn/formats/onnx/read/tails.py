"""What stands behind the answers of a classifier: the label that is most likely, and a dictionary per row."""

from typing import Any

from fastnn.formats.onnx.read.tables import classes_of

PASSING = frozenset(("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"))
CHOOSING = frozenset(("ArgMax", "ArrayFeatureExtractor", "LabelEncoder", "TopK"))


def answers_of(graph: Any) -> list[str]:
    """Return the outputs that are numbers of the network: labels are left out where what they are chosen by is there.

    Raises
    ------
    ValueError
        If there are labels alone: the message names the tensor that they are chosen by.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    names = [entry.name for entry in graph.output]
    chosen = {name: chosen_by(name, makers) for name in names}
    left = [name for name in names if chosen[name] is None]
    if not left:
        raise ValueError(
            f"from_onnx: output {names[0]!r:.80} holds labels, which no layer chooses; read what they are chosen by, "
            f"outputs={chosen[names[0]]!r:.80}, and take argmax of it"
        )
    return left


def chosen_by(name: str, makers: dict[str, Any]) -> str | None:
    """Return what a label is chosen by, or None if the tensor is no label."""
    found = None
    while (node := makers.get(name)) is not None:
        if node.op_type == "LinearClassifier":
            return str(node.output[1]) if name == node.output[0] else found
        if node.op_type in CHOOSING:
            name = found = node.input[1 if node.op_type == "ArrayFeatureExtractor" else 0]
        elif node.op_type in PASSING:
            name = node.input[0]
        else:
            break
    return found


def classes_in(graph: Any) -> list[Any] | None:
    """Return the labels of the classes, in the order of the probabilities, if the model says them."""
    from onnx import helper, numpy_helper

    for node in graph.node:
        found = classes_of({entry.name: helper.get_attribute_value(entry) for entry in node.attribute})
        if found is not None:
            return found
    taken = {node.input[0] for node in graph.node if node.op_type == "ArrayFeatureExtractor"}
    for tensor in graph.initializer:
        if tensor.name in taken:
            labels = numpy_helper.to_array(tensor).ravel().tolist()
            return [label.decode() if isinstance(label, bytes) else label for label in labels]
    return None
