"""Remove objects from a video: a checkpoint and a clip go in, a clean clip comes out."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from outtake import __version__
from outtake.build import instantiate, plain_containers
from outtake.checkpoint import load_trained
from outtake.errors import ConfigError
from outtake.experiments.redact import redact_tree
from outtake.inference import Backend, Predictor, TorchBackend, resolve_device
from outtake.labels import LabelSpace
from outtake.removal import MaskPolicy, RemovalReport, Remover
from outtake.removal.report import report_path, write_report
from outtake.video import VideoInfo, check_target, open_clip, open_writer

if TYPE_CHECKING:
    from outtake.checkpoint import Trained

log = logging.getLogger(__name__)

INVENTED_WARNING = 0.2
AUDIO = {"copy": True, "drop": False}


def infer_video(cfg: DictConfig) -> Path:
    """Apply a checkpoint to a clip as ``conf/infer_video.yaml`` says.

    Returns:
        The path of the output; its report lies beside it.

    Raises:
        OuttakeError: anything that can not work, before any work wherever that can be known;
            nothing half written is left.
    """
    plain = plain_containers(cfg)
    source = Path(plain["input"]).expanduser()
    target = Path(plain["output"]).expanduser()
    check_target(target, source, codec=plain["codec"], overwrite=plain["overwrite"])
    if plain["audio"] not in AUDIO:
        raise ConfigError(f"audio={plain['audio']}: unknown; use {', '.join(AUDIO)}")
    remover: Remover = instantiate(plain["remover"])
    with open_clip(source, plain["fps"]):
        pass  # a bad input shows itself before the checkpoint is loaded
    device = resolve_device(plain["device"])
    trained = load_trained(plain["checkpoint"], device)
    policy = choose_policy(
        trained.labels, remover, names(plain["remove"]), names(plain["keep_only"]), plain["mask"]
    )
    backend = TorchBackend(
        trained.task, plain["device"], plain["precision"], flip=bool(plain["flip"])
    )
    record = remove_from_video(
        trained,
        source,
        target,
        remover=remover,
        policy=policy,
        backend=backend,
        batch_size=plain["batch_size"],
        fps=plain["fps"],
        writing={
            "codec": plain["codec"],
            "crf": plain["crf"],
            "preset": plain["preset"],
            "audio": AUDIO[plain["audio"]],
            "overwrite": plain["overwrite"],
        },
        config=OmegaConf.to_container(cfg, resolve=False),
    )
    print(
        f"{record['frames']} frames at {record['frames_per_second']:.1f} frames/s, "
        f"{record['hole_share']['mean']:.1%} of the picture removed\n"
        f"written to {target}, report in {report_path(target)}"
    )
    return target


def remove_from_video(
    trained: Trained,
    source: str | Path,
    target: str | Path,
    *,
    remover: Remover,
    policy: MaskPolicy,
    backend: Backend | None = None,
    batch_size: int = 1,
    fps: float = 25,
    writing: Mapping[str, Any] | None = None,
    config: object = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Stream a clip through network, masks and remover into a file.

    Args:
        trained: the checkpoint.
        source: a video, or a folder of images.
        target: a video, or a folder for PNG images if it has no suffix.
        remover: takes things out.
        policy: says what.
        backend: runs the network; PyTorch on the fitting device by default.
        batch_size: frames for the network at a time.
        fps: of a folder of images.
        writing: options of :func:`outtake.video.open_writer`.
        config: plain containers to be written into the report.
        progress: show a bar.

    Returns:
        The report, as it was written beside the output.

    Raises:
        OuttakeError: the clip can not be read to its end, or the target not be written; then
            there is no output.
    """
    target = Path(target)
    backend = backend or TorchBackend(trained.task)
    with (
        open_clip(source, fps) as clip,
        open_writer(target, clip.info, **(writing or {})) as writer,
        _progress(clip.info, shown=progress) as bar,
    ):
        predictor = Predictor(
            backend,
            trained.labels,
            short_side=trained.short_side,
            channels=trained.channels,
            batch_size=batch_size,
        )
        report = RemovalReport()
        frames = report.timed("decode", clip)
        labelled = report.timed("predict", predictor(frames))
        masked = report.masks(report.timed("mask", policy(labelled)))
        for frame in report.timed("remove", remover(masked)):
            writer.write(frame)
            bar.advance(bar.task_ids[0])
        if writer.frames != report.frames:
            raise ConfigError(
                f"remover {type(remover).__name__} made {writer.frames} frames of "
                f"{report.frames}; it must give one for each"
            )
        facts = _facts(trained, clip.info, target, remover, policy, config)
    record: dict[str, Any] = redact_tree(report.record(getattr(remover, "facts", ()), **facts))
    write_report(target, record)
    invented = record.get("fill", {}).get("invented", 0.0)
    if invented > INVENTED_WARNING:
        log.warning(
            "%s: %.0f%% of what was removed was seen in no other frame and is made up",
            target.name,
            100 * invented,
        )
    return record


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


def names(value: object) -> list[str]:
    """Return class names from ``remove=car`` and ``remove=[car,person]`` alike."""
    if value is None:
        return []
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]


def _facts(
    trained: Trained,
    info: VideoInfo,
    target: Path,
    remover: Remover,
    policy: MaskPolicy,
    config: object,
) -> dict[str, Any]:
    return {
        "output": str(target),
        "input": {
            "path": str(info.path),
            "width": info.width,
            "height": info.height,
            "fps": str(info.fps),
            "codec": info.codec,
            "pix_fmt": info.pix_fmt,
            "rotation": info.rotation,
        },
        "checkpoint_sha256": trained.sha256,
        "remover": type(remover).__name__,
        "removed_classes": [trained.labels.names[index] for index in policy.ids],
        "config": config,
        "versions": {
            "outtake": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "av": av.__version__,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
        },
    }


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """Return the current rate."""
        return Text(f"{task.finished_speed or task.speed or 0:.1f} frames/s")


def _progress(info: VideoInfo, *, shown: bool) -> Progress:
    # Into a file or a pipe a bar would be noise; the summary line says what there is to say.
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        disable=not (shown and console.is_terminal),
    )
    bar.add_task(info.path.name, total=info.frames)
    return bar
