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
from outtake.config.instantiate import instantiate
from outtake.config.load_trained import TrainedModel, load_trained
from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, VideoError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame
from outtake.inference.int8_calibration import iter_training_images
from outtake.inference.open_backend import open_backend, resolve_backend
from outtake.inference.predictor import Predictor
from outtake.masking.label_propagation import LabelPropagator
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.job import ClipLabeller, Job
from outtake.removal.feather import FeatherRemover
from outtake.removal.protocol import Remover
from outtake.removal.side_by_side import SideBySide
from outtake.video.read.input_digest import sha256_of_input
from outtake.video.read.inputs import VideoInput, expand_inputs
from outtake.video.read.safety_limits import SafetyLimits

# What changes nothing about the frames that come out, or is in the fingerprint by its content.
NOT_IN_FINGERPRINT = {
    "input", "output", "masks", "checkpoint", "overwrite", "resume", "preview", "workers",
    "ray_address", "hydra", "audio", "codec", "crf", "preset", "max_memory_mb",
}  # fmt: skip


@dataclass(frozen=True)
class PipelineParts:
    """What every clip of a call shares.

    Attributes:
        remover: takes things out.
        labeller: labels frames; None where masks are given.
        policy: makes masks of labels; likewise.
        trained: the checkpoint; likewise.
    """

    remover: Remover
    labeller: ClipLabeller | None = None
    policy: MaskPolicy | None = None
    trained: TrainedModel | None = None


def build_parts(
    config: Mapping[str, Any], remover: Remover, frame_size: tuple[int, int] | None = None
) -> PipelineParts:
    """Build what ``conf/infer_video.yaml`` describes, with or without a checkpoint.

    Args:
        config: the config.
        remover: takes things out.
        frame_size: height and width of the frames to come, if known.

    Raises:
        OuttakeError: an option that can not work, or a checkpoint that can not be loaded.
    """
    if config["masks"] is not None:
        for key in ("remove", "keep_only"):
            if class_names(config[key]):
                raise ConfigError(f"masks= says already what is removed; leave {key}=[]")
        return PipelineParts(remover)
    if config["checkpoint"] is None:
        raise ConfigError(
            "checkpoint has no value: set checkpoint=RUN_FOLDER_OR_CKPT, or give masks=CLIP"
        )
    trained = load_trained(config["checkpoint"], resolve_device(config["device"]))
    policy = build_policy(
        trained.labels,
        remover,
        class_names(config["remove"]),
        class_names(config["keep_only"]),
        config["mask"],
    )
    if config["short_side"] is not None:
        trained = replace(trained, short_side=config["short_side"])
    labels = build_labeller(config, trained, policy, frame_size)
    return PipelineParts(remover, labels, policy, trained)


def build_remover(config: Mapping[str, Any]) -> Remover:
    """Build the remover, with a feather around it if one is asked for.

    Raises:
        ConfigError: an option that can not work, or a feather where there is no seam.
    """
    remover: Remover = instantiate(config["remover"])
    feather = float(config["feather"])
    if feather >= 1:
        raise ConfigError(f"feather={feather}: must be below 1, of the height")
    if config["masks"] is None and feather > float(config["mask"]["dilate"]):
        raise ConfigError(
            f"feather={feather}: wider than mask.dilate={config['mask']['dilate']}, so the edge of "
            "what is removed would show; set it lower, or mask.dilate higher"
        )
    return add_feather(remover, feather) if feather else remover


def add_feather(remover: Remover, feather: float) -> Remover:
    """Return the remover with a soft seam inside the mask's rim."""
    if isinstance(remover, SideBySide):
        # Its seam is in the right half, which another remover makes.
        return SideBySide(add_feather(remover.remover, feather), remover.divider_px)
    return FeatherRemover(remover, feather)


def build_labeller(
    config: Mapping[str, Any],
    trained: TrainedModel,
    policy: MaskPolicy,
    frame_size: tuple[int, int] | None,
) -> ClipLabeller:
    """Build what labels the frames: a backend, in batches, on every k-th frame."""
    every = config["segment_every"]
    backend = dict(config["backend"])
    opened = open_backend(
        backend.pop("name"),
        trained,
        device=config["device"],
        precision=config["precision"],
        confidence=policy.needs_confidence,
        flip=bool(config["flip"]),
        scales=config["scales"],
        window=config["window"],
        overlap=config["overlap"],
        calibration=lambda: calibration_images(trained),
        frame_size=frame_size,
        **backend,
    )
    predictor = Predictor(
        opened,
        trained.labels,
        short_side=trained.short_side,
        channels=trained.channels,
        batch_size=config["batch_size"],
    )
    return LabelPropagator(predictor, every) if every > 1 else predictor


def calibration_images(trained: TrainedModel) -> Iterable[Frame]:
    """Yield images of the data that a checkpoint was trained on."""
    return iter_training_images(instantiate(trained.config.data.source))


def build_policy(
    labels: LabelSpace,
    remover: Remover,
    remove: Sequence[str],
    keep_only: Sequence[str],
    mask_options: Mapping[str, Any] | None = None,
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
        return MaskPolicy.from_names(
            labels, remove=remove, keep_only=keep_only, **(mask_options or {})
        )
    except TypeError as error:
        raise ConfigError(f"mask: {error}") from error


def build_job(
    config: Mapping[str, Any], tools: PipelineParts, source: VideoInput, target: Path
) -> Job:
    """Return the job for one clip of a call."""
    return Job(
        source=source,
        target=target,
        remover=tools.remover,
        labeller=tools.labeller,
        policy=tools.policy,
        masks=config["masks"],
        read_options=read_options(config),
        write_options={
            "codec": config["codec"],
            "crf": config["crf"],
            "preset": config["preset"],
            "audio": config["audio"] == "copy",
            "overwrite": config["overwrite"],
            "input_paths": input_paths(config, tools.remover),
            "resume": can_resume(config),
        },
        segment_frames=config["segment_frames"],
        provenance_video=bool(config["provenance_video"]),
        fingerprint=fingerprint(config, tools),
    )


def read_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the clip is read, as options of :func:`outtake.video.read.clip.open_clip`."""
    return {
        "fps": config["fps"],
        "start": config["start"],
        "end": config["end"],
        "every": config["every"],
        "limits": build_limits(config["limits"]),
    }


def build_limits(options: Mapping[str, Any]) -> SafetyLimits:
    """Return what a clip may ask for.

    Raises:
        ConfigError: a limit that does not exist, or that can not be.
    """
    try:
        return SafetyLimits(**options)
    except TypeError as error:
        known = ", ".join(each.name for each in fields(SafetyLimits))
        raise ConfigError(f"limits: {error}; there are {known}") from error


def fingerprint(config: Mapping[str, Any], tools: PipelineParts) -> dict[str, Any]:
    """Return what the frames depend on beside the input: config, checkpoint, files, versions."""
    found: dict[str, Any] = {
        "config": {key: value for key, value in config.items() if key not in NOT_IN_FINGERPRINT},
        "remover_files": [sha256_of_input(path) for path in tools.remover.files()],
        "versions": library_versions(),
    }
    if tools.trained is not None and tools.policy is not None:
        device = resolve_device(config["device"])
        found["checkpoint_sha256"] = tools.trained.sha256
        found["classes"] = list(tools.policy.ids)
        found["device"] = str(device)
        found["backend"] = resolve_backend(
            config["backend"]["name"], config["device"], config["precision"]
        )
    return found


def input_paths(config: Mapping[str, Any], remover: Remover) -> dict[str, list[Path]]:
    """Return what is read beside the input, by key; none of it may be written to.

    Raises:
        VideoError: ``masks`` names nothing that is there, or several clips.
    """
    found = {"remover.path": [*remover.files()]}
    if config["checkpoint"] is not None:
        found["checkpoint"] = [Path(str(config["checkpoint"])).expanduser()]
    if config["masks"] is not None:
        # A list and a glob stand for files, and for the folder in which they lie.
        named = expand_inputs(config["masks"], "masks")
        if len(named) > 1:
            clips = ", ".join(source.path.name for source in named[:3])
            raise VideoError(
                f"masks={config['masks']}: are {len(named)} clips ({clips}); name one video, one "
                "folder of images, or images"
            )
        drawn = [source for source in named if not source.address]
        found["masks"] = [path for source in drawn for path in (source.path, *source.images)]
    return found


def library_versions() -> dict[str, str]:
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


def can_resume(config: Mapping[str, Any]) -> bool:
    """Tell whether ``resume`` is auto."""
    return str(config["resume"]).lower() == "auto"


def class_names(value: object) -> list[str]:
    """Return class names from ``remove=car`` and ``remove=[car,person]`` alike."""
    if value is None:
        return []
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]
