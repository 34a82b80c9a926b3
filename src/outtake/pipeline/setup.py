"""From the config of ``outtake infer-video`` to a job that is ready to run."""

from __future__ import annotations

import logging
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import torch

from outtake import __version__
from outtake.config.checkpoint_paths import checkpoint_paths
from outtake.config.infer_video_schema import ClipMaskOptions, EncodeOptions, InferVideoConfig
from outtake.config.instantiate import instantiate
from outtake.config.shared_schema import MaskOptions, list_names
from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.inference.open_backend import resolve_backend
from outtake.labelled_video.project_folder import MASK_FOLDER
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.label_propagation import ClipLabeller
from outtake.masking.mask_source import MaskSource
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.further_clips import find_further_clips, further_paths, plate_offsets
from outtake.pipeline.job import Job, WriteOptions
from outtake.pipeline.known_clip import find_known_labels
from outtake.pipeline.mask_setup import find_masks, read_regions
from outtake.pipeline.shown_fields import find_shown_fields
from outtake.removal.feather import FeatherRemover
from outtake.removal.grain import GrainRemover
from outtake.removal.protocol import Remover
from outtake.removal.side_by_side import SideBySide
from outtake.video.read.inputs import VideoInput, sha256_of_input
from outtake.video.write.encoding_plan import EncodingRequest

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from outtake.config.load_ensemble import Trained

# What decides about the frames of an output, beside files that are in the fingerprint by content.
FINGERPRINT_KEYS = (
    "device",
    "remove",
    "keep_only",
    "read",
    "network",
    "refine",
    "backend",
    "mask",
    "remover",
)


@dataclass(frozen=True)
class PipelineParts:
    """What every clip of a call shares.

    Attributes:
        remover: The remover.
        labeller: Labels the frames; None where masks are given.
        policy: Makes masks of labels; None where masks are given.
        trained: The checkpoint, or several that are averaged; None where masks are given.
    """

    remover: Remover
    labeller: ClipLabeller | None = None
    policy: MaskPolicy | None = None
    trained: Trained | None = None


def build_parts(
    config: InferVideoConfig, remover: Remover, frame_size: tuple[int, int] | None = None
) -> PipelineParts:
    """Build what every clip of a call shares, with or without a checkpoint.

    Args:
        config: The config.
        remover: The remover, as :func:`build_remover` made it.
        frame_size: Height and width of the frames to come, if known.

    Raises:
        OuttakeError: An option cannot work, or the checkpoint cannot be loaded.
    """
    if config.without_network or config.checkpoint is None:
        return PipelineParts(remover)
    # Lightning and what it brings take seconds to import: masks of one's own do without.
    from outtake.pipeline.network_setup import build_labeller, load_network

    trained = load_network(config, config.checkpoint)
    policy = build_policy(
        trained.labels,
        remover,
        list_names(config.remove),
        list_names(config.keep_only),
        config.mask,
        of_one_clip=trained.clip is not None,
    )
    labeller = build_labeller(config, trained, policy, frame_size)
    return PipelineParts(remover, labeller, policy, trained)


def build_remover(config: InferVideoConfig) -> Remover:
    """Build the remover, with the grain and the feather that are asked for.

    Raises:
        ConfigError: An option cannot work, or there is no fill to give grain, or seam to feather.
    """
    remover: Remover = instantiate(config.remover)
    return finish_fill(remover, config.mask)


def finish_fill(remover: Remover, options: MaskOptions) -> Remover:
    """Return the remover with grain on its fill, and a soft seam inside the mask's rim."""
    if isinstance(remover, SideBySide):
        # The fill is in the right half, which another remover makes.
        inside = finish_fill(remover.remover, options)
        return remover if inside is remover.remover else SideBySide(inside, remover.divider_px)
    strength = float(remover.shows_background) if options.grain == "auto" else options.grain
    if strength:
        remover = GrainRemover(remover, strength)
    return FeatherRemover(remover, options.feather) if options.feather else remover


def build_policy(
    labels: LabelSpace,
    remover: Remover,
    remove: Sequence[str],
    keep_only: Sequence[str],
    options: ClipMaskOptions,
    *,
    of_one_clip: bool = False,
) -> MaskPolicy:
    """Return the mask policy for class names.

    ``of_one_clip`` is whether the network was trained on one clip, whose frames vote on nothing by
    themselves.

    Raises:
        UnknownClassError: A name is not a class.
        ConfigError: There is no class for a remover that needs one, or an option cannot work.
    """
    if remover.needs_mask and not remove and not keep_only:
        raise ConfigError(
            "nothing to remove: set remove=[CLASS,...] or keep_only=[CLASS,...]; "
            f"the classes are: {', '.join(labels.names)}"
        )
    return MaskPolicy.from_names(
        labels,
        remove=remove,
        keep_only=keep_only,
        **options.policy_options(of_one_clip=of_one_clip),
    )


def build_job(
    config: InferVideoConfig,
    parts: PipelineParts,
    source: VideoInput,
    target: Path,
    masks: MaskSource | None = None,
) -> Job:
    """Return the job for one clip of a call.

    Args:
        config: The config.
        parts: What every clip of the call shares.
        source: The clip.
        target: The output.
        masks: The masks, as :func:`outtake.pipeline.mask_setup.find_masks` found them; None to find
            them here, if there are any.
    """
    if masks is None and config.masks.path is not None:
        masks = find_masks(config, source).source
    inputs = () if parts.trained is None else parts.trained.further_inputs
    further = () if config.without_network else find_further_clips(config, source, inputs)
    known = {} if config.without_network else find_known_labels(config, source, parts.trained)
    encode = config.encode
    shown_fields = find_shown_fields(config, parts.remover, source)
    read_options = vars(config.read)
    if shown_fields is not None and config.read.deinterlace is not None:
        # Marked so, they are made whole pictures when they are read.
        read_options, shown_fields = {**read_options, "fields": shown_fields}, None
    return Job(
        source=source,
        target=target,
        remover=parts.remover,
        labeller=parts.labeller,
        policy=parts.policy,
        masks=masks,
        further=further,
        plate_offsets=plate_offsets(inputs),
        known_labels=known,
        shown_fields=shown_fields,
        grow=config.masks.grow,
        regions=read_regions(config),
        read_options=read_options,
        write_options=WriteOptions(
            encoding=build_encoding_request(encode, parts.remover),
            audio=encode.audio,
            overwrite=config.overwrite,
            resume=config.job.resume,
            input_paths=input_paths(config, parts.remover),
        ),
        segment_frames=config.job.segment_frames,
        provenance_video=encode.provenance_video,
        fingerprint=fingerprint(config, parts),
    )


def build_encoding_request(encode: EncodeOptions, remover: Remover) -> EncodingRequest:
    """Return how the frames of a remover are to be stored."""
    return EncodingRequest(
        encode.codec,
        encode.crf,
        encode.preset,
        remover.channels,
        chroma=str(encode.chroma),
        bitrate=encode.bitrate,
        passes=encode.passes,
        profile=encode.profile,
        level=encode.level,
        copy_unchanged=encode.copy_unchanged,
    )


def fingerprint(config: InferVideoConfig, parts: PipelineParts) -> dict[str, Any]:
    """Return what the frames depend on beside the input: config, checkpoint, files, versions."""
    values = asdict(config)
    # How large a clip may be, and how long it is waited for, changes no frame.
    values["read"] = {key: value for key, value in values["read"].items() if key != "limits"}
    found: dict[str, Any] = {
        "config": {key: values[key] for key in FINGERPRINT_KEYS},
        "masks": {key: value for key, value in values["masks"].items() if key != "path"},
        "regions": values["regions"],
        "provenance_video": config.encode.provenance_video,
        "remover_files": [sha256_of_input(path) for path in parts.remover.files()],
        "versions": library_versions(),
    }
    if parts.trained is not None and parts.policy is not None:
        found["checkpoint_sha256"] = parts.trained.sha256
        found["classes"] = list(parts.policy.ids)
        found["device"] = str(resolve_device(config.device))
        found["backend"] = resolve_backend(
            config.backend["name"], config.device, config.network.precision
        )
    return found


def input_paths(config: InferVideoConfig, remover: Remover) -> dict[str, list[Path]]:
    """Return what is read beside the input, by key; none of it may be written to.

    Raises:
        VideoError: ``masks`` names nothing that exists, or several clips.
    """
    found = {"remover.path": [*remover.files()]}
    if config.checkpoint is not None:
        found["checkpoint"] = checkpoint_paths(config.checkpoint)
    if config.masks.path is not None:
        found["masks"] = find_mask_files(config.masks.path, config.masks.ids).paths()
    if config.further_inputs and not config.without_network:
        found["further_inputs"] = further_paths(config)
    if config.labels is not None:
        found["labels"] = sorted((Path(config.labels).expanduser() / MASK_FOLDER).glob("*.png"))
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
