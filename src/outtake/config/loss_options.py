"""Options of losses of libraries, in the values that their constructors can work with.

A library may take what it cannot use: the focal loss of segmentation-models-pytorch makes None of
weights that are a word, and trains on without them.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import hydra.utils
import numpy as np
from numpy.typing import NDArray

from outtake.config.schema import show_value
from outtake.core.errors import ConfigError
from outtake.training.losses.cross_entropy import class_weights_from_frequencies

_CLASS_WEIGHTS = "class_weights"
_LISTS = (list, Sequence, Collection, Iterable)
# Whose annotations are known to mean what they say, and whose class weights are lists.
_LIBRARIES = ("segmentation_models_pytorch.", "torch.nn.")


def prepare_loss_options(
    node: Any, frequencies: NDArray[np.float64] | None, where: str = "loss"
) -> Any:
    """Return the tree of a loss, in which words for class weights are lists of weights.

    They are so where the constructor takes a list for certain: it is of a library that is known, or
    its annotation names a list and no text. All other options are left as they are, such as those
    of a class that is derived from a loss of Outtake and takes words.

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
    target = str(tree.get("_target_", ""))
    for key, value in tree.items() if target else ():
        constructor = _find_constructor(target, key)
        if constructor is None:
            continue
        annotation = _read_annotation(constructor, key)
        is_of_library = constructor.__module__.startswith(_LIBRARIES)
        takes_list = _says_list(annotation) and not _says_text(annotation)
        if key == _CLASS_WEIGHTS and isinstance(value, str) and (is_of_library or takes_list):
            if frequencies is None:
                raise ConfigError(f"{where}.{key} needs the class frequencies of a data set")
            tree[key] = class_weights_from_frequencies(frequencies, value).tolist()
        elif is_of_library and not _admits(annotation, value):
            raise ConfigError(
                f"{where}.{key}={show_value(value)}: {target} takes "
                f"{inspect.formatannotation(annotation).replace('typing.', '')}"
            )
    return tree


def _find_constructor(target: str, option: str) -> Any:
    """Return the function that names an option of a target; None if none is known to.

    Of a class it may be that of a base, to which the constructors before it pass on what they do
    not name.
    """
    try:
        found = hydra.utils.get_object(target)
        classes = inspect.getmro(found) if inspect.isclass(found) else ()
        functions = [vars(each)["__init__"] for each in classes if "__init__" in vars(each)]
        for function in functions if classes else [found]:
            options = inspect.signature(function).parameters
            if option in options:
                return function
            if all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in options.values()):
                return None
    except Exception:  # whatever somebody's module does; building the loss says it
        return None
    return None


def _read_annotation(function: Any, option: str) -> Any:
    """Return the type of one option of a function; Any where it cannot be read."""
    annotation = inspect.signature(function).parameters[option].annotation
    if annotation is inspect.Parameter.empty:
        return Any
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(
            types.SimpleNamespace(__annotations__={option: annotation}), names
        )[option]
    except Exception:  # whatever the names in somebody's annotations mean
        return Any


def _says_list(annotation: Any) -> bool:
    """Return whether an annotation names a list, or a kind of sequence, as what an option takes."""
    kind = typing.get_origin(annotation) or annotation
    if any(kind is each for each in _LISTS):
        return True
    return any(_says_list(each) for each in typing.get_args(annotation))


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
