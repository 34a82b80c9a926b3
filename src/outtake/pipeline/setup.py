"""From the config of ``infer_video.py`` to a job that is ready to run."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from outtake import __version__
from outtake.config.build import instantiate
from outtake.config.load_trained import Trained, load_trained
from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, VideoError
from outtake.core.frames import Remover
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame
from outtake.inference.int8_calibration import training_images
from outtake.inference.open_backend import choose, open_backend
from outtake.inference.predictor import Predictor
from outtake.masking.label_propagation import CarriedLabels
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.job import Job, Labels
from outtake.removal.feather import Feathered
from outtake.removal.side_by_side import SideBySide
from outtake.video.read.input_digest import file_digest
from outtake.video.read.inputs import Source, sources_of
from outtake.video.read.safety_limits import Limits

# What changes nothing about the frames that come out, or is in the fingerprint by its content.
_NO_PART = {
    "input", "output", "masks", "checkpoint", "overwrite", "resume", "preview", "workers",
    "ray_address", "hydra", "audio", "codec", "crf", "preset", "max_memory_mb",
}  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """What every clip of a call shares.

    Attributes:
        remover: takes things out.
        labels: labels frames; None where masks are given.
        policy: makes masks of labels; likewise.
        trained: the checkpoint; likewise.
    """

    remover: Remover
    labels: Labels | None = None
    policy: MaskPolicy | None = None
    trained: Trained | None = None


def build_tools(
    plain: Mapping[str, Any], remover: Remover, frame_size: tuple[int, int] | None = None
) -> Tools:
    """Build what ``conf/infer_video.yaml`` describes, with or without a checkpoint.

    Args:
        plain: the config.
        remover: takes things out.
        frame_size: height and width of the frames to come, if known.

    Raises:
        OuttakeError: an option that can not work, or a checkpoint that can not be loaded.
    """
    if plain["masks"] is not None:
        for key in ("remove", "keep_only"):
            if names(plain[key]):
                raise ConfigError(f"masks= says already what is removed; leave {key}=[]")
        return Tools(remover)
    if plain["checkpoint"] is None:
        raise ConfigError(
            "checkpoint has no value: set checkpoint=RUN_FOLDER_OR_CKPT, or give masks=CLIP"
        )
    trained = load_trained(plain["checkpoint"], resolve_device(plain["device"]))
    policy = choose_policy(
        trained.labels, remover, names(plain["remove"]), names(plain["keep_only"]), plain["mask"]
    )
    if plain["short_side"] is not None:
        trained = replace(trained, short_side=plain["short_side"])
    labels = build_labels(plain, trained, policy, frame_size)
    return Tools(remover, labels, policy, trained)


def build_remover(plain: Mapping[str, Any]) -> Remover:
    """Build the remover, with a feather around it if one is asked for.

    Raises:
        ConfigError: an option that can not work, or a feather where there is no seam.
    """
    remover: Remover = instantiate(plain["remover"])
    feather = float(plain["feather"])
    if feather >= 1:
        raise ConfigError(f"feather={feather}: must be below 1, of the height")
    if plain["masks"] is None and feather > float(plain["mask"]["dilate"]):
        raise ConfigError(
            f"feather={feather}: wider than mask.dilate={plain['mask']['dilate']}, so the edge of "
            "what is removed would show; set it lower, or mask.dilate higher"
        )
    return _feathered(remover, feather) if feather else remover


def _feathered(remover: Remover, feather: float) -> Remover:
    if isinstance(remover, SideBySide):
        # Its seam is in the right half, which another remover makes.
        return SideBySide(_feathered(remover.remover, feather), remover.divider_px)
    return Feathered(remover, feather)


def build_labels(
    plain: Mapping[str, Any],
    trained: Trained,
    policy: MaskPolicy,
    frame_size: tuple[int, int] | None,
) -> Labels:
    """Build what labels the frames: a backend, in batches, on every k-th frame."""
    every = plain["segment_every"]
    backend = dict(plain["backend"])
    opened = open_backend(
        backend.pop("name"),
        trained,
        device=plain["device"],
        precision=plain["precision"],
        confidence=policy.needs_confidence,
        flip=bool(plain["flip"]),
        scales=plain["scales"],
        window=plain["window"],
        overlap=plain["overlap"],
        calibration=lambda: calibration_images(trained),
        frame_size=frame_size,
        **backend,
    )
    predictor = Predictor(
        opened,
        trained.labels,
        short_side=trained.short_side,
        channels=trained.channels,
        batch_size=plain["batch_size"],
    )
    return CarriedLabels(predictor, every) if every > 1 else predictor


def calibration_images(trained: Trained) -> Iterable[Frame]:
    """Yield images of the data that a checkpoint was trained on."""
    return training_images(instantiate(trained.config.data.source))


def choose_policy(
    labels: LabelSpace,
    remover: Remover,
    remove: Sequence[str],
    keep_only: Sequence[str],
    options: Mapping[str, Any] | None = None,
) -> MaskPolicy:
    """Return the mask policy for class names.

    Raises:
        UnknownClassError: a name that is no class.
        ConfigError: no class for a remover that needs one, or an option that can not work.
    """
    if remover.needs_mask and not remove and not keep_only:
        raise ConfigError(
            "nothing to remove: set remove=[CLASS,...] or keep_only=[CLASS,...]; "
            f"the classes are: {', '.join(labels.names)}"
        )
    try:
        return MaskPolicy.named(labels, remove=remove, keep_only=keep_only, **(options or {}))
    except TypeError as error:
        raise ConfigError(f"mask: {error}") from error


def build_job(plain: Mapping[str, Any], tools: Tools, source: Source, target: Path) -> Job:
    """Return the job for one clip of a call."""
    return Job(
        source=source,
        target=target,
        remover=tools.remover,
        labels=tools.labels,
        policy=tools.policy,
        masks=plain["masks"],
        reading=reading(plain),
        writing={
            "codec": plain["codec"],
            "crf": plain["crf"],
            "preset": plain["preset"],
            "audio": plain["audio"] == "copy",
            "overwrite": plain["overwrite"],
            "reads": reads(plain),
            "resume": resumes(plain),
        },
        segment_frames=plain["segment_frames"],
        confidence_video=bool(plain["confidence_video"]),
        fingerprint=fingerprint(plain, tools),
    )


def reading(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the clip is read, as options of :func:`outtake.video.read.clip.open_clip`."""
    return {
        "fps": plain["fps"],
        "start": plain["start"],
        "end": plain["end"],
        "every": plain["every"],
        "limits": limits(plain["limits"]),
    }


def limits(options: Mapping[str, Any]) -> Limits:
    """Return what a clip may ask for.

    Raises:
        ConfigError: a limit that does not exist, or that can not be.
    """
    try:
        return Limits(**options)
    except TypeError as error:
        known = ", ".join(each.name for each in fields(Limits))
        raise ConfigError(f"limits: {error}; there are {known}") from error


def fingerprint(plain: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """Return what the frames depend on beside the input: config, checkpoint, files, versions."""
    found: dict[str, Any] = {
        "config": {key: value for key, value in plain.items() if key not in _NO_PART},
        "remover_files": {
            key: file_digest(path) for key, path in files_of(plain["remover"]).items()
        },
        "versions": versions(),
    }
    if tools.trained is not None and tools.policy is not None:
        device = resolve_device(plain["device"])
        found["checkpoint_sha256"] = tools.trained.sha256
        found["classes"] = list(tools.policy.ids)
        found["device"] = str(device)
        found["backend"] = choose(plain["backend"]["name"], plain["device"], plain["precision"])
    return found


def files_of(node: Any, name: str = "remover") -> dict[str, Path]:
    """Return the files that a remover's config names, by key: every ``path`` in it that is one."""
    found: dict[str, Path] = {}
    items = node.items() if isinstance(node, Mapping) else ()
    for key, value in items:
        if key == "path" and isinstance(value, str) and Path(value).expanduser().is_file():
            found[f"{name}.path"] = Path(value).expanduser()
        found.update(files_of(value, f"{name}.{key}"))
    return found


def reads(plain: Mapping[str, Any]) -> dict[str, list[Path]]:
    """Return what is read beside the input, by key; none of it may be written to.

    Raises:
        VideoError: ``masks`` names nothing that is there, or several clips.
    """
    found = {key: [path] for key, path in files_of(plain["remover"]).items()}
    if plain["checkpoint"] is not None:
        found["checkpoint"] = [Path(str(plain["checkpoint"])).expanduser()]
    if plain["masks"] is not None:
        # A list and a glob stand for files, and for the folder in which they lie.
        named = sources_of(plain["masks"], "masks")
        if len(named) > 1:
            clips = ", ".join(source.path.name for source in named[:3])
            raise VideoError(
                f"masks={plain['masks']}: are {len(named)} clips ({clips}); name one video, one "
                "folder of images, or images"
            )
        drawn = [source for source in named if not source.address]
        found["masks"] = [path for source in drawn for path in (source.path, *source.images)]
    return found


def versions() -> dict[str, str]:
    """Return the versions of what makes the frames."""
    found = {
        "outtake": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "av": av.__version__,
        "ffmpeg": ".".join(map(str, av.library_versions["libavcodec"])),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
    for name in ("openvino", "onnxruntime"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def resumes(plain: Mapping[str, Any]) -> bool:
    """Tell whether ``resume`` is auto."""
    return str(plain["resume"]).lower() == "auto"


def names(value: object) -> list[str]:
    """Return class names from ``remove=car`` and ``remove=[car,person]`` alike."""
    if value is None:
        return []
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]
