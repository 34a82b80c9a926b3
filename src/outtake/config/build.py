"""Where config becomes objects: the only call of ``hydra.utils.instantiate``.

A config may come from a checkpoint, so from anywhere. Every ``_target_`` in it is compared with an
allowlist before anything is built: a class of Outtake's own floors or of the libraries that it
composes. Whoever writes a network of their own names its package in the environment variable
``OUTTAKE_ALLOW_TARGETS`` (comma-separated prefixes): a config can not widen the list itself.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hydra.errors
import hydra.utils
import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from outtake.core.errors import ConfigError, ForbiddenTargetError, OuttakeError
from outtake.core.labels import LabelSpace
from outtake.data.datamodule import DataModule
from outtake.training.task import SegmentationTask

ALLOW_TARGETS_VARIABLE = "OUTTAKE_ALLOW_TARGETS"
ALLOWED_CLASS_PREFIXES = (
    "outtake.data.",
    "outtake.models.",
    "outtake.removal.",
    "outtake.training.",
    "albumentations.",
    "pytorch_lightning.callbacks.",
    "torch.nn.",
    "torch.optim.",
)
ALLOWED_CLASSES = ("pytorch_lightning.Trainer",)
_TRAINER_MODULE_PREFIX = "pytorch_lightning.trainer."
# Modules of which functions may be named too: each only makes an object.
ALLOWED_FUNCTION_PREFIXES = (
    "outtake.training.schedules.",
    "outtake.training.distributed.strategies.",
    "outtake.runs.loggers.",
)


def instantiate(node: DictConfig | Mapping[str, Any] | None, **arguments: Any) -> Any:
    """Build what a config node describes, after its targets have passed the allowlist.

    Args:
        node: a mapping with ``_target_``, or a mapping of such mappings.
        arguments: added to the node's own.

    Raises:
        ForbiddenTargetError: a ``_target_`` that is not allowed.
        ConfigError: an option that the target does not take, or can not work with.
    """
    plain = resolve_config(node)
    check_targets(plain)
    _forbid_interpolations(plain)
    try:
        return hydra.utils.instantiate(plain, **arguments, _convert_="all")
    except (hydra.errors.InstantiationException, TypeError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
            if isinstance(cause, OuttakeError):
                raise cause from error
        target = plain.get("_target_", "config") if isinstance(plain, dict) else "config"
        raise ConfigError(f"{target}: {cause or error}") from error


def resolve_config(node: DictConfig | Mapping[str, Any] | None) -> Any:
    """Resolve a node to dicts and lists, once: what is checked is what is built."""
    if not OmegaConf.is_config(node):
        return node
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain_config_error(error)) from error


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


def _forbid_interpolations(node: Any, where: str = "config") -> None:
    # Hydra resolves what it is given once more: an escaped interpolation that came through the
    # first time would be built without having been checked.
    if isinstance(node, str) and "${" in node:
        raise ForbiddenTargetError(f"{where}: an interpolation inside a value is not allowed")
    items = (
        node.items()
        if isinstance(node, Mapping)
        else enumerate(node)
        if isinstance(node, list | tuple)
        else ()
    )
    for key, value in items:
        _forbid_interpolations(value, f"{where}.{key}")


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
            reason = f"{module} can not be imported: {cause}"
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


def build_data(cfg: DictConfig) -> DataModule:
    """Build the data source, its augmentation and its loaders from ``data`` and ``augment``."""
    plain = resolve_config(cfg.data)
    source = instantiate(plain["source"])
    loaders = {key: value for key, value in plain.items() if key not in ("name", "root", "source")}
    steps = instantiate(cfg.augment).get("steps", {}) if "augment" in cfg else {}
    try:
        return DataModule(source, list((steps or {}).values()), seed=int(cfg.seed), **loaders)
    except TypeError as error:
        raise ConfigError(f"data: {error}") from error


def build_task(
    cfg: DictConfig,
    labels: LabelSpace,
    channels: int,
    *,
    frequencies: NDArray[np.float64] | None = None,
    record: dict[str, Any] | None = None,
) -> SegmentationTask:
    """Build the task from ``model``, ``normalize``, ``loss``, ``optimizer`` and ``scheduler``."""
    optimizer = instantiate(cfg.optimizer)
    scheduler = instantiate(cfg.scheduler) if cfg.get("scheduler") else None
    _check_optimizer_and_schedule(optimizer, scheduler)
    return SegmentationTask(
        build_net(cfg.model, len(labels.names), channels),
        instantiate(cfg.normalize, channels=channels),
        labels,
        instantiate(cfg.loss, ignore_index=labels.ignore_index, frequencies=frequencies),
        optimizer,
        scheduler,
        channels_last=bool(cfg.channels_last),
        checkpoint_record=record,
    )


def _check_optimizer_and_schedule(optimizer: Any, scheduler: Any) -> None:
    # Both are only called when training has begun: a wrong option shall show before.
    try:
        made = optimizer([torch.nn.Parameter(torch.zeros(1))])
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer: {error}") from error
    try:
        if scheduler is not None:
            scheduler(made, 10)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"scheduler: {error}") from error


def build_net(node: DictConfig, classes: int, channels: int) -> Any:
    """Build the network; what it has to fit is passed where its constructor takes it."""
    plain = resolve_config(node)
    check_targets(plain, "model")
    try:
        signature = inspect.signature(hydra.utils.get_object(plain["_target_"])).parameters
    except Exception as error:
        raise ConfigError(f"model._target_={plain.get('_target_')}: can not be imported") from error
    available: dict[str, Any] = {
        "classes": classes,
        "num_classes": classes,
        "in_channels": channels,
    }
    if "encoder_weights" in signature and "encoder_weights" not in plain:
        available["encoder_weights"] = None  # a library's own default may call out
    takes_any_keyword = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.values())
    if "encoder_name" not in signature and not takes_any_keyword:
        # The backbone group names an encoder; a network of one's own may have no use for it.
        plain.pop("encoder_name", None)
    passed = {k: v for k, v in available.items() if k in signature}
    if takes_any_keyword and not {"classes", "num_classes"} & passed.keys():
        passed["classes"] = classes
    net = instantiate(plain, **{k: v for k, v in passed.items() if k not in plain})
    if not isinstance(net, torch.nn.Module):
        raise ConfigError(f"model._target_={plain['_target_']} makes no torch.nn.Module")
    return net
