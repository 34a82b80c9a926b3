"""Read the tensors of a file of weights, and find those of a network among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file

from outtake.core.errors import WeightsError
from outtake.core.printable_text import list_some, to_printable
from outtake.core.torch_files import SAVE_ALONE, find_fault, read_plain_beside_records

# What programs put before the names of a network's weights; Outtake's networks are `net` of its
# task, and those of a library `net` of that.
PREFIXES = (
    "",
    "net.",
    "module.",
    "model.",
    "network.",
    "module.net.",
    "module.model.",
    "model.net.",
    "net.net.",
)
# The attribute in which torch.compile, FSDP and activation checkpointing put the module that they
# wrap: it is a part of the names from there on.
_WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
_STATE_DICT = "state_dict"

Value = TypeVar("Value")


def read_weights(path: Path, key: str) -> dict[str, torch.Tensor]:
    """Read a ``.safetensors`` file or one of torch.save; nothing but tensors is unpickled.

    Args:
        path: The file.
        key: The option that names it, for messages.

    Raises:
        WeightsError: There is no such file, it cannot be read, or it holds no state dict or several
            (see :func:`find_state`).
    """
    place = f"{key}={path}"
    if not path.is_file():
        raise WeightsError(f"{place}: no such file; allowed are null, imagenet or a file")
    loaded: object
    try:
        is_safe = path.suffix == ".safetensors"
        loaded = load_file(path, "cpu") if is_safe else read_plain_beside_records(path)
    # A damaged file may raise nearly anything on the way.
    except Exception as error:
        fault = find_fault(path, error)
        raise WeightsError(f"{place} {fault.what}; {fault.remedy}") from error
    return find_state(loaded, place)


def find_state(loaded: object, place: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by their names.

    They are what is under ``state_dict``, or the file itself is a state dict, or they are the only
    mapping of tensors in it, such as ``model`` beside ``epoch``.

    Args:
        loaded: What the file holds.
        place: The option and the file, for messages.

    Raises:
        WeightsError: It holds no tensors by name, or several state dicts.
    """
    content = loaded if isinstance(loaded, Mapping) else {}
    own, parts = _select_tensors(content), _list_states(content)
    if _STATE_DICT in parts:
        return parts[_STATE_DICT]
    # Beside a state dict a few tensors are what else a training has: a score, the state of a draw.
    if own and all(len(own) >= len(part) for part in parts.values()):
        return own
    if len(parts) > 1:
        names = list_some([to_printable(name) for name in parts])
        raise WeightsError(
            f"{place} holds several state dicts ({names}); save the one that is meant alone, as by "
            f"torch.save(torch.load(FILE)[{next(iter(parts))!r}], OTHER)"
        )
    if not parts:
        raise WeightsError(f"{place} holds no tensors by name; {SAVE_ALONE}")
    return next(iter(parts.values()))


def _list_states(content: Mapping[object, object]) -> dict[str, dict[str, torch.Tensor]]:
    """Return the mappings inside another one that hold tensors by name and nothing else."""
    inside = {
        key: (value, _select_tensors(value))
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, Mapping)
    }
    # Of a state dict by that name, what is no tensor is passed over: layers may store it.
    return {
        key: tensors
        for key, (value, tensors) in inside.items()
        if tensors and (len(tensors) == len(value) or key == _STATE_DICT)
    }


def _select_tensors(content: Mapping[object, object]) -> dict[str, torch.Tensor]:
    return {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor) and _holds_numbers(value)
    }


def _holds_numbers(tensor: torch.Tensor) -> bool:
    """Return whether a tensor can be copied into a network's."""
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized


def match_names(
    own: Collection[str], given: Collection[str], prefixes: Collection[str] = PREFIXES
) -> dict[str, str]:
    """Return the names that a file has for the weights of a network, by those of the network.

    A file may put something before all names; and it may lack what is before all names of the
    network, which is so where this holds the network of a library, as ``net``, and the file is of
    that library. Of all these ways the first that finds the most names is taken. What wraps a
    module is no part of a name, see :func:`unwrap_names`.

    Args:
        own: The names of the network.
        given: Those of the file.
        prefixes: What the file may put before them.
    """
    of_network = {name: unwrap_name(name) for name in own}
    of_file = unwrap_names({name: name for name in given})
    wrapper = _find_wrapper(of_network.values())
    ways = [
        {name: prefix + bare.removeprefix(removed) for name, bare in of_network.items()}
        for removed in dict.fromkeys(("", wrapper))
        for prefix in prefixes
    ]
    best = max(ways, key=lambda names: sum(each in of_file for each in names.values()))
    return {name: of_file[each] for name, each in best.items() if each in of_file}


def unwrap_name(name: str) -> str:
    """Return the name of a weight as if no module around it were wrapped.

    ``torch.compile`` and others put a module into an attribute of their own, so that a file of a
    compiled network has ``_orig_mod.encoder.conv1.weight``, one of a compiled encoder
    ``encoder._orig_mod.conv1.weight``.
    """
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def unwrap_names(named: Mapping[str, Value]) -> dict[str, Value]:
    """Return what is under names under those of :func:`unwrap_name`.

    Where two become one, as of a file that holds a network as it is and compiled, it is the one
    that was not wrapped.
    """
    bare = {unwrap_name(name): value for name, value in named.items()}
    return bare | {name: value for name, value in named.items() if name in bare}


def list_dropped_parts(pairs: Mapping[str, str]) -> list[str]:
    """Return what the names of a file have beside those of a network, each part with its dot.

    Args:
        pairs: The names of the file by those of the network, as :func:`match_names` gives them.
    """
    dropped: dict[str, None] = {}
    for own, given in pairs.items():
        if own == given:
            continue
        before = _cut_common_end(unwrap_name(given), unwrap_name(own))
        dropped |= dict.fromkeys([before] if before else [])
        wrappers = set(given.split(".")) & _WRAPPERS - set(own.split("."))
        dropped |= dict.fromkeys(f"{part}." for part in sorted(wrappers))
    return list(dropped)


def _cut_common_end(name: str, other: str) -> str:
    """Return what a name has before the parts in which it ends as another one does."""
    parts, others = name.split("."), other.split(".")
    while parts and others and parts[-1] == others[-1]:
        parts.pop()
        others.pop()
    return "".join(f"{part}." for part in parts)


def _find_wrapper(own: Collection[str]) -> str:
    """Return the attribute, with its dot, that all of a network lies in; empty if none does."""
    tops = {name.partition(".")[0] for name in own}
    return f"{tops.pop()}." if len(tops) == 1 and all("." in name for name in own) else ""
