"""The only call of ``hydra.utils.instantiate``, behind an allowlist.

A config may come from a checkpoint, so from anywhere. Every ``_target_`` in it is compared with an
allowlist before anything is built: a class of Outtake or of the libraries that it composes. Whoever
writes a class of their own names its package in the environment variable ``OUTTAKE_ALLOW_TARGETS``
(comma-separated prefixes): a config cannot widen the list itself.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hydra.errors
import hydra.utils
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from outtake.core.errors import ConfigError, ForbiddenTargetError, OuttakeError
from outtake.core.trees import walk_leaves

ALLOW_TARGETS_VARIABLE = "OUTTAKE_ALLOW_TARGETS"
ALLOWED_CLASS_PREFIXES = (
    "outtake.data.",
    "outtake.labelled_video.",
    "outtake.models.",
    "outtake.refine.",
    "outtake.removal.",
    "outtake.runs.dashboards.",
    "outtake.training.",
    "albumentations.",
    "pytorch_lightning.callbacks.",
    "segmentation_models_pytorch.losses.",
    "torch.nn.",
    "torch.optim.",
    "timm.optim.",
    "schedulefree.",
    # Not all of torchmetrics: some of its other metrics fetch networks when they are made.
    "torchmetrics.classification.",
    "torchmetrics.segmentation.",
    "torchvision.transforms.v2.",
)
_EXTRAS = {"schedulefree": "schedule-free"}  # what installs a library that may be missing
ALLOWED_CLASSES = ("pytorch_lightning.Trainer",)
_TRAINER_MODULE_PREFIX = "pytorch_lightning.trainer."
# Modules of which functions may be named too: each only makes an object.
ALLOWED_FUNCTION_PREFIXES = ("outtake.training.schedules.",)


def instantiate(node: DictConfig | Mapping[str, Any] | None, **arguments: Any) -> Any:
    """Build what a config node describes, after its targets have passed the allowlist.

    Args:
        node: A mapping with ``_target_``, or a mapping of such mappings.
        arguments: What is passed besides the node's own arguments.

    Raises:
        ForbiddenTargetError: A ``_target_`` is not allowed.
        ConfigError: The target does not take an option, or cannot work with it.
    """
    tree = resolve_config(node)
    check_targets(tree)
    _forbid_interpolations(tree)
    try:
        return hydra.utils.instantiate(tree, **arguments, _convert_="all")
    except (hydra.errors.InstantiationException, TypeError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
            if isinstance(cause, OuttakeError):
                raise cause from error
        target = tree.get("_target_", "config") if isinstance(tree, dict) else "config"
        said = _describe_unknown_option(tree, cause) or f"{target}: {cause}"
        raise ConfigError(said) from error


def select_entries(node: DictConfig | Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """Return the entries of a map such as ``callbacks`` by name, without those that are null.

    Args:
        node: A mapping of mappings with ``_target_``.
        where: Its place in the config, for messages.

    Raises:
        ConfigError: An entry does not say what is built: only options of it were set.
    """
    entries: dict[str, Any] = {}
    for name, entry in (resolve_config(node) or {}).items():
        if entry is None:
            continue
        if not isinstance(entry, Mapping) or "_target_" not in entry:
            raise ConfigError(
                f"{where}.{name} has no _target_, the class that is built: options are set, by a "
                f"recipe or on the command line, of an entry that the chosen "
                f"{where.split('.')[0]} does not have; ~{where}.{name} drops them"
            )
        entries[str(name)] = entry
    return entries


def instantiate_with_available(
    node: DictConfig | Mapping[str, Any],
    where: str,
    available: Mapping[str, Any],
    *,
    nested: bool = False,
) -> Any:
    """Build a node; its constructor is passed what it takes of what is available.

    An argument that the node sets itself wins.

    Args:
        node: A mapping with ``_target_``.
        where: Its place in the config, for messages.
        available: What the data and the task know, by the names of arguments.
        nested: Whether the targets inside the node are passed it too.

    Raises:
        ForbiddenTargetError: A ``_target_`` is not allowed.
        ConfigError: The target does not take an option, or cannot work with it.
    """
    tree = resolve_config(node)
    check_targets(tree, where)
    return instantiate(_add_available(tree, available, nested=nested))


def accepted_arguments(target: str) -> tuple[set[str], bool]:
    """Return the names that an allowed target takes, and whether it takes any other."""
    parameters = inspect.signature(hydra.utils.get_object(target)).parameters.values()
    free = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    fixed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    return {each.name for each in parameters if each.kind not in fixed}, free


def _add_available(node: Any, available: Mapping[str, Any], *, nested: bool) -> Any:
    if isinstance(node, list):
        return [_add_available(each, available, nested=nested) for each in node]
    if not isinstance(node, dict):
        return node
    filled = {
        k: _add_available(v, available, nested=True) if nested else v for k, v in node.items()
    }
    if "_target_" in node:
        names, _ = accepted_arguments(node["_target_"])
        filled |= {k: v for k, v in available.items() if k in names and k not in node}
    return filled


def _describe_unknown_option(tree: Any, error: BaseException) -> str | None:
    """Return what to do about an option that a target does not take; None for another error."""
    found = re.search(r"(\S+)\(\) got an unexpected keyword argument '([^']+)'", str(error))
    if found is None:
        return None
    constructor, option = found.groups()
    for place, target in _iter_targets(tree, "config"):
        built = hydra.utils.get_object(str(target))
        if constructor in (built.__qualname__, getattr(built.__init__, "__qualname__", None)):
            known = accepted_arguments(str(target))[0]
            near = difflib.get_close_matches(option, known, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            inner = place.removeprefix("config").removeprefix(".")
            key = f"GROUP.{inner}.{option}" if inner else f"GROUP.{option}"
            return (
                f"{target} has no option {option}; it takes {', '.join(sorted(known))}{meant}; "
                f"~{key} drops what a recipe has set"
            )
    return None


def resolve_config(node: DictConfig | Mapping[str, Any] | None) -> Any:
    """Resolve a node to dicts and lists, once: what is checked is what is built."""
    if not OmegaConf.is_config(node):
        return node
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain_config_error(error)) from error


def readable_config(cfg: DictConfig) -> dict[str, Any]:
    """Resolve a config for readers; only what depends on this machine's paths stays a reference."""
    copy = cfg.copy()
    with open_dict(copy):
        for key in cfg.get("paths") or {}:
            copy.paths[key] = f"\\${{paths.{key}}}"  # escaped: it resolves to ${paths.KEY}
    tree: dict[str, Any] = OmegaConf.to_container(copy, resolve=True)  # type: ignore[assignment]
    if "paths" in cfg:
        tree["paths"] = unresolved_config(cfg)["paths"]
    return tree


def unresolved_config(cfg: DictConfig) -> dict[str, Any]:
    """Return a config as plain containers, in which interpolations stay as they are written."""
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


def explain_config_error(error: OmegaConfBaseException) -> str:
    """Return the first line of OmegaConf's message, with what to do about a missing value."""
    first = str(error).splitlines()[0]
    if "Missing mandatory value" in first:
        key = getattr(error, "full_key", None) or first.rsplit(":", 1)[-1].strip()
        return f"{key} has no value: set it on the command line, as in {key}=VALUE"
    return first


def check_targets(tree: Any, where: str = "config") -> None:
    """Raise a ForbiddenTargetError unless every ``_target_`` below ``tree`` is allowed."""
    for key, target in _iter_targets(tree, where):
        _check_target(key, target)


def _forbid_interpolations(tree: Any) -> None:
    # Hydra resolves what it is given once more: an escaped interpolation that came through the
    # first time would be built without having been checked.
    for key, value in walk_leaves(tree, "config"):
        if isinstance(value, str) and "${" in value:
            raise ForbiddenTargetError(f"{key}: an interpolation inside a value is not allowed")


def _iter_targets(node: Any, where: str) -> Iterator[tuple[str, object]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                yield where, value
            else:
                yield from _iter_targets(value, f"{where}.{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _iter_targets(value, f"{where}[{index}]")


def _check_target(where: str, target: object) -> None:
    trusted_names = tuple(
        p.strip() for p in os.environ.get(ALLOW_TARGETS_VARIABLE, "").split(",") if p.strip()
    )
    prefixes = ALLOWED_CLASS_PREFIXES + ALLOWED_FUNCTION_PREFIXES
    if not isinstance(target, str):
        raise _forbidden_target_error(where, target)
    trusted = tuple(name.rstrip(".") + "." for name in trusted_names)
    if target not in ALLOWED_CLASSES and not (target + ".").startswith((*prefixes, *trusted)):
        raise _forbidden_target_error(where, target)
    imported = _import_target(where, target)
    # A path may lead through an allowed module to something that it merely imports.
    module_prefix = str(getattr(imported, "__module__", "")) + "."
    allowed_modules = (
        ALLOWED_FUNCTION_PREFIXES if inspect.isfunction(imported) else ALLOWED_CLASS_PREFIXES
    )
    allowed_modules = (
        *allowed_modules,
        *trusted,
        *((_TRAINER_MODULE_PREFIX,) if target in ALLOWED_CLASSES else ()),
    )
    if not (
        inspect.isclass(imported) or inspect.isfunction(imported)
    ) or not module_prefix.startswith(allowed_modules):
        raise _forbidden_target_error(where, target)


def _import_target(where: str, target: str) -> Any:
    try:
        with _silence_logger("hydra.utils"):  # it says the same over several lines before it raises
            return hydra.utils.get_object(target)
    except Exception as error:
        module, _, name = target.rpartition(".")
        try:
            importlib.import_module(module)
        except Exception as cause:
            extra = _EXTRAS.get(module.partition(".")[0])
            advice = "" if extra is None else f"; pip install 'outtake[{extra}]'"
            reason = f"{module} cannot be imported: {cause}{advice}"
        else:
            reason = f"{module} has no {name}"
        raise ConfigError(f"{where}._target_={target}: there is no such class; {reason}") from error


@contextmanager
def _silence_logger(logger: str) -> Iterator[None]:
    muted = logging.getLogger(logger)
    before, muted.disabled = muted.disabled, True
    try:
        yield
    finally:
        muted.disabled = before


def _forbidden_target_error(where: str, target: object) -> ForbiddenTargetError:
    return ForbiddenTargetError(
        f"{where}._target_={target!r} is not allowed; allowed are classes under "
        f"{', '.join(prefix.rstrip('.') for prefix in ALLOWED_CLASS_PREFIXES)}; if you trust this "
        f"code, "
        f"name its package in the environment variable {ALLOW_TARGETS_VARIABLE}"
    )
