"""Options of losses of libraries, in the values that their constructors can work with.

A library may take what it cannot use: the focal loss of segmentation-models-pytorch makes None of
weights that are a word, and trains on without them.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import hydra.utils
import numpy as np
from numpy.typing import NDArray

from outtake.config.schema import show_value
from outtake.core.errors import ConfigError
from outtake.training.losses.cross_entropy import class_weights_from_frequencies

_CLASS_WEIGHTS = "class_weights"
# Whose annotations are known to mean what they say.
_LIBRARIES = ("segmentation_models_pytorch.", "torch.nn.")


def prepare_loss_options(
    node: Any, frequencies: NDArray[np.float64] | None, where: str = "loss"
) -> Any:
    """Return the tree of a loss, in which words for class weights are lists of weights.

    Outtake's own losses, and those whose annotation says that they take a word, are left as they
    are.

    Args:
        node: The resolved tree, all of whose targets are allowed.
        frequencies: The share of each class in the training pixels, (classes,).
        where: The place of the tree in the config, for messages.

    Raises:
        ConfigError: An option contradicts its annotation in the constructor of a library, the
            weighting does not exist, or there are no frequencies.
    """
    if isinstance(node, list):
        return [
            prepare_loss_options(each, frequencies, f"{where}[{i}]") for i, each in enumerate(node)
        ]
    if not isinstance(node, Mapping):
        return node
    tree = {
        key: prepare_loss_options(value, frequencies, f"{where}.{key}")
        for key, value in node.items()
    }
    target = str(tree.get("_target_", "outtake."))
    if target.startswith("outtake."):
        return tree
    annotations = _read_annotations(target)
    weighting = tree.get(_CLASS_WEIGHTS)
    if isinstance(weighting, str) and not _says_text(annotations.get(_CLASS_WEIGHTS)):
        if frequencies is None:
            raise ConfigError(f"{where}.{_CLASS_WEIGHTS} needs the class frequencies of a data set")
        tree[_CLASS_WEIGHTS] = class_weights_from_frequencies(frequencies, weighting).tolist()
    for key, value in tree.items() if target.startswith(_LIBRARIES) else ():
        if key in annotations and not _admits(annotations[key], value):
            raise ConfigError(
                f"{where}.{key}={show_value(value)}: {target} takes "
                f"{inspect.formatannotation(annotations[key]).replace('typing.', '')}"
            )
    return tree


def _read_annotations(target: str) -> dict[str, Any]:
    """Return the types of the options of a class, as far as they can be read."""
    try:
        return typing.get_type_hints(hydra.utils.get_object(target).__init__)
    except Exception:  # whatever the names in somebody's annotations mean
        return {}


def _says_text(annotation: Any) -> bool:
    """Return whether an annotation names text as what an option takes."""
    if annotation is str or typing.get_origin(annotation) is typing.Literal:
        return True
    return any(_says_text(each) for each in typing.get_args(annotation))


def _admits(annotation: Any, value: Any) -> bool:
    """Return whether a plain value does not contradict an annotation; who is in doubt admits it.

    None is always admitted: annotations of defaults that are None often leave it out.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if value is None:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_admits(each, value) for each in arguments)
    if annotation is type(None):
        return False
    if annotation is bool:
        return isinstance(value, bool) or value in (0, 1)
    if annotation is int:
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if annotation is float:
        return isinstance(value, int | float)
    if annotation is str:
        return isinstance(value, str)
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return isinstance(value, list) and all(
            _admits(each, one) for one in value for each in arguments[:1]
        )
    return True
