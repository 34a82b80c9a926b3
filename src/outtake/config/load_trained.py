"""From a checkpoint back to a task: nothing but the file is needed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from outtake import __version__
from outtake.config.build_network import build_net, build_normalisation
from outtake.config.instantiate import check_targets, resolve_config
from outtake.config.network_arguments import without_initial_weights
from outtake.config.rebuild_label_maps import rebuild_label_maps
from outtake.config.trained_model import TrainedModel, describe_division
from outtake.core.errors import CheckpointError, ConfigError, ForbiddenTargetError, OuttakeError
from outtake.core.files import sha256_of_file
from outtake.core.format_version import FORMAT_VERSION, check_format_version
from outtake.core.labels import LabelSpace
from outtake.core.printable_text import list_some, to_printable
from outtake.core.redact import redact_tree
from outtake.core.trees import walk_leaves
from outtake.data.further_inputs import FurtherInput, count_channels
from outtake.data.further_labels import is_label_map_name
from outtake.data.labelled_clip import LabelledClip
from outtake.data.sample_range import SampleRange
from outtake.models.weight_files import match_names
from outtake.training.checkpoint_files import (
    LAST_CHECKPOINT,
    PREVIOUS_CHECKPOINT,
    latest_valid,
    read_checkpoint,
)
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.model_archive import read_archive
from outtake.training.task import SegmentationTask

REBUILD_KEYS = ("model", "normalize", "data")
_MAX_CONFIG_CHARS = 1_000_000
_RESOLVER_PATTERN = re.compile(r"\$\{\s*[\w.]+\s*:")


def make_checkpoint_record(
    cfg: DictConfig,
    labels: LabelSpace,
    channels: int,
    sample_range: SampleRange | None = None,
    further_inputs: Sequence[FurtherInput] = (),
    clip: LabelledClip | None = None,
    further_labels: Mapping[str, LabelSpace] | None = None,
) -> dict[str, Any]:
    """Return what goes into every checkpoint: plain containers, the config unresolved.

    Raises:
        ConfigError: Among what the task is rebuilt from is something that looks like a secret, or
            that reads this machine's environment.
    """
    for key in REBUILD_KEYS:
        if key in cfg:
            _forbid_resolvers(OmegaConf.to_container(cfg[key], resolve=False), key)
    data = resolve_config(cfg.data)
    for key, tree in to_unresolved_dict(cfg).items():
        if key in REBUILD_KEYS and redact_tree(tree) != tree:
            raise ConfigError(
                f"{key} holds what looks like a secret, and a checkpoint keeps none; what the "
                "task is rebuilt from must do without"
            )
    return {
        "format": FORMAT_VERSION,
        "version": __version__,
        "config": to_redacted_yaml(cfg),
        "labels": labels.to_dict(),
        "channels": channels,
        "short_side": data.get("eval_short_side") or data.get("short_side"),
        "sample_range": None if sample_range is None else sample_range.to_dict(),
        "further_inputs": [each.to_dict() for each in further_inputs],
        "clip": None if clip is None else clip.to_dict(),
        "further_labels": [
            {"name": name, "labels": each.to_dict()}
            for name, each in (further_labels or {}).items()
        ],
    }


def to_redacted_yaml(cfg: DictConfig) -> str:
    """Return a config as YAML, unresolved, secrets hidden."""
    tree = redact_tree(OmegaConf.to_container(cfg, resolve=False))
    return OmegaConf.to_yaml(OmegaConf.create(tree), resolve=False)


def to_unresolved_dict(node: Any) -> dict[str, Any]:
    """Return a config node as a dict, unresolved; an empty one if it is no mapping."""
    tree = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_dict(node) else None
    return {str(key): value for key, value in tree.items()} if isinstance(tree, dict) else {}


def find_checkpoint(run_or_file: str | Path) -> Path:
    """Return a checkpoint file, given itself or its run folder.

    Of a run folder it is the best one. Without a best one, since nothing was validated yet, it is
    the last; if that is damaged, the one before. A damaged best one is an error: another one would
    score otherwise.

    Raises:
        CheckpointError: There is no checkpoint.
    """
    path = Path(run_or_file).expanduser()
    if not path.is_dir():
        return path
    best = path / "checkpoints" / "best.ckpt"
    last_checkpoints = [
        path / "checkpoints" / name for name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)
    ]
    if best.is_file():
        return best
    if any(candidate.is_file() for candidate in last_checkpoints):
        return latest_valid(last_checkpoints)
    raise CheckpointError(
        f"{path} holds no checkpoints/best.ckpt; give a run folder of outtake train or a .ckpt file"
    )


def read_checkpoint_or_archive(path: Path, *, beside_records: bool = False) -> dict[str, Any]:
    """Read a checkpoint, or the zip that ``outtake export`` made of one, as plain data.

    Args:
        path: The file.
        beside_records: Whether only its weights are meant, see :func:`read_checkpoint`.

    Raises:
        CheckpointError: The file is missing, truncated, altered or not one of Outtake's.
    """
    if path.suffix == ".zip":
        return read_archive(path)
    return read_checkpoint(path, beside_records=beside_records)


def load_trained(
    run_or_file: str | Path, device: str | torch.device = "cpu", label_map: str | None = None
) -> TrainedModel:
    """Rebuild the trained task from a checkpoint alone.

    The config inside is untrusted: its targets pass the allowlist before anything is built, and
    the file is read as tensors and plain containers only.

    Args:
        run_or_file: A run folder, a ``.ckpt`` file, or a ``.zip`` of ``outtake export``.
        device: The device on which the task is placed.
        label_map: The further label map that it is to give; None for that of the masks.

    Raises:
        ConfigError: The network has no such label map.
        CheckpointError: The file is missing, truncated, altered, of another version or not one of
            Outtake's, or its parts do not fit together.
        ForbiddenTargetError: The config inside names something that is not allowed.
    """
    path = find_checkpoint(run_or_file)
    checkpoint = read_checkpoint_or_archive(path)
    record = checkpoint.get("outtake")
    if not isinstance(record, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(
            f"{path} was not written by outtake train: it has no record of its task"
        )
    check_format_version(path, record.get("format"))
    cfg, model_config, labels = _read_checkpoint_record(path, record)
    try:
        channels = int(record["channels"])
        short_side = None if record.get("short_side") is None else int(record["short_side"])
        found_range = record.get("sample_range")
        sample_range = None if found_range is None else SampleRange.from_dict(found_range)
        further = tuple(map(FurtherInput.from_dict, record.get("further_inputs", ())))
        clip = None if record.get("clip") is None else LabelledClip.from_dict(record["clip"])
        refine = record.get("refine")
        if refine is not None:
            refine = dict(refine)
            check_targets(refine, "refine")
        epoch = int(checkpoint.get("epoch", 0))
        divisions = tuple(map(str, record.get("divisions") or [describe_division(cfg)]))
        spaces = {
            str(each["name"]): LabelSpace.from_dict(each["labels"])
            for each in record.get("further_labels", ())
        }
        if wrong := [name for name in spaces if not is_label_map_name(name)]:
            raise ValueError(f"{wrong[0]!r} is no name of a label map")
        maps = rebuild_label_maps(len(labels.names), spaces)
        classes = len(labels.names) if maps is None else maps.total
        task = SegmentationTask(
            build_net(cfg.model, classes, channels, further_inputs=further),
            build_normalisation(cfg.normalize, channels, count_channels(further)),
            labels,
            CrossEntropy(ignore_index=labels.ignore_index),
            channels_last=bool(cfg.channels_last),
            label_maps=maps,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OmegaConfBaseException) as error:
        raise CheckpointError(f"{path}: its record cannot be read: {error}") from error
    state = _fit_names(task.state_dict(), checkpoint["state_dict"])
    try:
        task.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: the weights do not fit the model or the {len(labels.names)} classes that it "
            f"names: {_explain_misfit(task.state_dict(), state)}; use another"
        ) from error
    sha256 = sha256_of_file(path)
    if label_map is not None:
        if label_map not in spaces:
            raise ConfigError(
                f"label_map={label_map}: {path} has no such label map; it has the masks' own "
                f"(null){''.join(f', {name}' for name in spaces)}"
            )
        task.shown_map, labels = label_map, spaces[label_map]
        # What is kept of one label map must not be taken for another's.
        sha256 = hashlib.sha256(f"{sha256} {label_map}".encode()).hexdigest()
    return TrainedModel(
        task=task.eval().to(device),
        labels=labels,
        config=cfg,
        model_config=model_config,
        path=path,
        sha256=sha256,
        epoch=epoch,
        short_side=short_side,
        channels=channels,
        sample_range=sample_range,
        further_inputs=further,
        clip=clip,
        refine=refine,
        label_map=label_map,
        further_labels=tuple(spaces),
        divisions=divisions,
    )


def _fit_names(own: Mapping[str, torch.Tensor], given: Any) -> Any:
    """Return weights by the names of a task; those of a compiled network have more in theirs."""
    if not isinstance(given, Mapping):
        return given  # which does not fit
    names = match_names(own, [name for name in given if isinstance(name, str)], prefixes=("",))
    fitted = {name: given[each] for name, each in names.items()}
    used = set(names.values())
    return fitted | {name: value for name, value in given.items() if name not in used}


def _explain_misfit(own: Mapping[str, torch.Tensor], given: object) -> str:
    """Say how weights differ from those of a network, by the first name that does."""
    if not isinstance(given, Mapping):
        return f"they are of the type {type(given).__name__}"
    found = {name: getattr(each, "shape", None) for name, each in given.items()}
    missing = [name for name in own if name not in found]
    shapes = [name for name in own if name in found and found[name] != own[name].shape]
    further = [str(name) for name in found if name not in own]
    said = (
        f"{len(names)} {what} ({list_some(names)})"
        for what, names in (
            ("missing", missing),
            ("of another shape", shapes),
            ("unknown", [to_printable(name) for name in further]),
        )
        if names
    )
    return ", ".join(said) or "they cannot be copied"


def _read_checkpoint_record(
    path: Path, record: dict[str, Any]
) -> tuple[DictConfig, dict[str, Any], LabelSpace]:
    try:
        cfg = read_untrusted_config(str(record["config"]), is_guarded=_is_rebuild_key)
        labels = LabelSpace.from_dict(record["labels"])
        model_config = to_unresolved_dict(cfg.model)
        # The weights are in the checkpoint: what they began from is not needed again.
        cfg.model = without_initial_weights(model_config)
    except OuttakeError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OmegaConfBaseException) as error:
        raise CheckpointError(f"{path}: its record cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise CheckpointError(f"{path}: its config is not YAML") from error
    return cfg, model_config, labels


def read_untrusted_config(text: str, is_guarded: Callable[[str], bool]) -> DictConfig:
    """Read a config of unknown origin; refuse what could do harm before anything is built.

    Args:
        text: The config as YAML.
        is_guarded: Returns whether the values of a top-level key must not call a resolver, which
            could read this machine's environment.

    Raises:
        ForbiddenTargetError: A target, an alias or a resolver is not allowed.
        ConfigError: A target does not exist.
        ValueError, TypeError, yaml.YAMLError, OmegaConfBaseException: The text is no config.
    """
    # Aliases that multiply take minutes to unfold; a config that we wrote has none.
    if len(text) > _MAX_CONFIG_CHARS or any(
        isinstance(token, yaml.AliasToken) for token in yaml.scan(text)
    ):
        raise ForbiddenTargetError("a config with YAML aliases, or over 1 MB, is not allowed")
    cfg = OmegaConf.create(text)
    if not isinstance(cfg, DictConfig):
        raise TypeError("its config is no mapping")
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    for key, value in plain.items():
        if is_guarded(str(key)):
            _forbid_resolvers(value, str(key))
    check_targets(plain)
    return cfg


def _is_rebuild_key(key: str) -> bool:
    return key in (*REBUILD_KEYS, "augment", "channels_last")


def _forbid_resolvers(node: Any, where: str) -> None:
    # A value of this config may refer to another; it may not read this machine's environment.
    for key, value in walk_leaves(node, where):
        if isinstance(value, str) and _RESOLVER_PATTERN.search(value):
            raise ForbiddenTargetError(
                f"{key}: {value} is not allowed in a checkpoint's config; only paths.* may read "
                "the environment"
            )
