"""The whole path in a few minutes: train on the embedded scenes, evaluate, clean a video.

``make demo`` calls this; ``python -m outtake.programs.demo --help`` shows its few options.
Everything is left in ``runs/demo``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from torchmetrics.functional.image import structural_similarity_index_measure

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.load_trained import load_trained
from outtake.config.schema import parse
from outtake.config.trained_model import TrainedModel
from outtake.core.errors import OutputError
from outtake.core.files import write_json
from outtake.core.types import Frame, TimedFrame
from outtake.data.scenes import Scenes
from outtake.data.synthetic.rendered_clip import SceneClip
from outtake.data.synthetic.scene_layout import OBJECTS
from outtake.drawing.label_pictures import (
    draw_contact_sheet,
    join_side_by_side,
    overlay_labels,
    save_png,
)
from outtake.inference.clip_predictor import ClipPredictor
from outtake.inference.torch_backend import TorchBackend
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.network_setup import build_predictor
from outtake.pipeline.remove_from_video import remove_from_video
from outtake.pipeline.setup import build_policy, build_remover
from outtake.programs.command_line import run_program
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer

EXPERIMENT_OVERRIDE = "experiment=demo"
REMOVED_CLASS = "car"
# The cars cast shadows, which are found and go too. People and balls move about: they are no
# background, what a car hides of them is carried through the hole, and more samples outvote what
# else passes through the picture.
REMOVAL_OVERRIDES = (
    f"remove=[{REMOVED_CLASS}]",
    "mask.dilate=0.03",
    "mask.foreground=[person,ball]",
    "mask.shadows=true",
    "remover.samples=15",
    "remover.tolerance=3",
    "remover.moving=true",
)
VIDEO_FRAMES = 96
VIDEO_SIZE = (320, 480)  # height, width
DIVIDER_PX = 2
MINIMUM_SCORES = {"val_miou": 0.85, "psnr_hole_db": 25.0}
SCORED_PIXELS = 50
SHEET_POSITIONS = (0.12, 0.38, 0.62, 0.88)


@dataclass(frozen=True)
class DemoRemovalScores:
    """The scores of the cleaned video.

    Attributes:
        psnr_hole: The PSNR in dB, as mean over frames, between the cleaned video and the true
            background where the removed objects hide it; see :func:`find_hole`.
        psnr_before: The same for the untouched video, in dB.
        moving_psnr: The PSNR in dB, as mean over frames, where a removed object hides another
            object; None if none does.
        moving_ssim: The structural similarity there.
        frames_per_second: The speed from decoding to the encoded file.
    """

    psnr_hole: float
    psnr_before: float
    moving_psnr: float | None
    moving_ssim: float | None
    frames_per_second: float


def demo(folder: Path, overrides: Sequence[str] = (), frames: int = VIDEO_FRAMES) -> dict[str, Any]:
    """Run the demo and return what its table shows.

    Args:
        folder: The run folder; a former demo in it is replaced.
        overrides: Overrides of ``conf/train.yaml``, after ``experiment=demo``.
        frames: The length of the video.
    """
    began_s = time.perf_counter()
    console = Console()
    _remove_former_demo(folder)
    cfg = compose("train", [EXPERIMENT_OVERRIDE, *overrides])
    console.rule(f"1 of 3: train {cfg.model.get('_target_', '').rpartition('.')[2]} on the scenes")
    train(cfg, folder, [EXPERIMENT_OVERRIDE, *overrides])
    console.rule("2 of 3: evaluate the best checkpoint")
    metrics = json.loads(evaluate(compose("evaluate", [f"checkpoint={folder}"])).read_text())
    console.rule(f"3 of 3: take every {REMOVED_CLASS} out of a video")
    removal = clean_video(load_trained(folder), cfg, folder, frames)
    record = {
        "val_miou": metrics["miou"],
        "val_iou": metrics["iou"],
        "psnr_hole_db": removal.psnr_hole,
        "psnr_hole_before_db": removal.psnr_before,
        "psnr_moving_hidden_db": removal.moving_psnr,
        "ssim_moving_hidden": removal.moving_ssim,
        "frames_per_second": removal.frames_per_second,
        "seconds": time.perf_counter() - began_s,
        "folder": str(folder),
    }
    write_json(folder / "demo.json", record)
    print_table(record, console)
    return record


def check_minimum_scores(record: dict[str, Any]) -> None:
    """Exit with 1 if the demo came out worse than it should on any machine."""
    for key, floor in MINIMUM_SCORES.items():
        if record[key] < floor:
            sys.exit(f"the demo's {key} is {record[key]:.3f}, below {floor}")


def clean_video(
    trained: TrainedModel, cfg: DictConfig, folder: Path, frames: int
) -> DemoRemovalScores:
    """Render a clip that training has not seen, clean it, and write the videos and the sheet."""
    height, width = VIDEO_SIZE
    scenes = Scenes(seed=int(cfg.data.source.seed), height=height, width=width)
    clip = scenes.clip("test", 0, frames)
    before, after = folder / "before.mp4", folder / "after.mp4"
    write_clip(clip, before)
    removal_cfg = compose(
        "infer_video",
        [f"checkpoint={folder}", f"input={before}", f"output={after}", *REMOVAL_OVERRIDES],
    )
    config = parse(InferVideoConfig, resolve_config(removal_cfg))
    remover = build_remover(config)
    policy = build_policy(trained.labels, remover, [REMOVED_CLASS], [], config.mask)
    report = remove_from_video(
        trained,
        before,
        after,
        remover=remover,
        policy=policy,
        labeller=build_predictor(trained, batch_size=4, uncertain_ids=policy.ids),
    )
    scores = score_and_write_side_by_side(clip, before, after, folder / "side_by_side.mp4")
    save_png(folder / "contact_sheet.png", draw_sheet(trained, clip, before, after))
    return DemoRemovalScores(*scores, float(report["frames_per_second"]))


def write_clip(clip: SceneClip, path: Path) -> None:
    """Encode a rendered clip."""
    height, width = clip.frame(0).image.shape[:2]
    with open_writer(path, _make_video_info(width, height, clip.fps), overwrite=True) as writer:
        for index, frame in enumerate(clip):
            writer.write(TimedFrame(frame.image, index, 1 / clip.fps))


def score_and_write_side_by_side(
    clip: SceneClip, before: Path, after: Path, side_by_side_path: Path
) -> tuple[float, float, float | None, float | None]:
    """Score the cleaned video as it plays, and write it beside the original.

    Returns:
        PSNR in dB inside the hole, of the cleaned and of the original video; then PSNR and SSIM of
        the cleaned one where the hole hides another object, None if it never does. Each is the
        mean over the frames that have at least ``SCORED_PIXELS`` of such pixels.
    """
    cleaned, untouched = [], []
    moving: list[tuple[float, float]] = []
    with open_clip(before, 25) as original_clip, open_clip(after, 25) as cleaned_clip:
        info = _make_video_info(
            2 * original_clip.info.width + DIVIDER_PX, original_clip.info.height, clip.fps
        )
        with open_writer(side_by_side_path, info, overwrite=True) as writer:
            for index, (old, new) in enumerate(zip(original_clip, cleaned_clip, strict=True)):
                hole, truth = find_hole(clip, index)
                pair = join_side_by_side(old.image, new.image, DIVIDER_PX, ("before", "after"))
                writer.write(TimedFrame(pair, index, 1 / clip.fps))
                if hole.sum() >= SCORED_PIXELS:
                    cleaned.append(psnr(new.image, truth, hole))
                    untouched.append(psnr(old.image, truth, hole))
                hidden, truth = find_hidden_objects(clip, index)
                if hidden.sum() >= SCORED_PIXELS:
                    moving.append((psnr(new.image, truth, hidden), ssim(new.image, truth, hidden)))
    psnr_moving, ssim_moving = np.mean(moving, axis=0).tolist() if moving else (None, None)
    return float(np.mean(cleaned)), float(np.mean(untouched)), psnr_moving, ssim_moving


def find_hole(clip: SceneClip, index: int) -> tuple[NDArray[np.bool_], Frame]:
    """Return where a removed object truly is, a little grown, and the background behind it.

    Where the object hides other moving things or their shadows, the background is left out: their
    place cannot be known while they are hidden.
    """
    policy = MaskPolicy.from_names(clip.labels, remove=[REMOVED_CLASS])
    without = clip.frame(index, without=(REMOVED_CLASS,))
    still = (without.image == without.background).all(axis=-1)
    return policy.mask(clip.frame(index).labels) & still, without.background


def find_hidden_objects(clip: SceneClip, index: int) -> tuple[NDArray[np.bool_], Frame]:
    """Return where a removed object hides another object, and the picture without the removed."""
    policy = MaskPolicy.from_names(clip.labels, remove=[REMOVED_CLASS])
    others = [clip.labels.names.index(name) for name in OBJECTS]
    without = clip.frame(index, without=(REMOVED_CLASS,))
    moving = np.isin(without.labels, others)
    return policy.mask(clip.frame(index).labels) & moving, without.image


def psnr(image: Frame, truth: Frame, hole: NDArray[np.bool_]) -> float:
    """Return the peak signal-to-noise ratio inside a hole in dB, peak 255."""
    difference = image[hole].astype(np.float64) - truth[hole]
    return float(10 * np.log10(255**2 / max(float((difference**2).mean()), 1e-10)))


def ssim(image: Frame, truth: Frame, where: NDArray[np.bool_]) -> float:
    """Return the mean structural similarity (Wang et al. 2004) of some pixels' colours."""
    shown, wanted = (
        torch.from_numpy(one.transpose(2, 0, 1)[None].astype(np.float32)) for one in (image, truth)
    )
    _, similarity = structural_similarity_index_measure(
        shown, wanted, data_range=255.0, return_full_image=True
    )
    return float(similarity[0].mean(dim=0).numpy()[where].mean())


def draw_sheet(trained: TrainedModel, clip: SceneClip, before: Path, after: Path) -> Frame:
    """Draw before, labels, after and the truth at a few moments."""
    with open_clip(before, 25) as original_clip, open_clip(after, 25) as cleaned_clip:
        chosen = {round(share * (len(clip) - 1)) for share in SHEET_POSITIONS}
        pairs = [
            (index, old, new.image)
            for index, (old, new) in enumerate(zip(original_clip, cleaned_clip, strict=True))
            if index in chosen
        ]
    predictor = ClipPredictor(
        TorchBackend(trained.task), trained.labels, short_side=trained.short_side
    )
    space = trained.labels
    rows = []
    for (index, _, new), predicted in zip(
        pairs, predictor(old for _, old, _ in pairs), strict=True
    ):
        old = predicted.frame.image
        truth = clip.frame(index, without=(REMOVED_CLASS,)).image
        seen = overlay_labels(
            old, predicted.labels, space.palette(), background=space.background_id
        )
        rows.append([old, seen, new, truth])
    columns = ["before", "what the network sees", "after", "truth"]
    return draw_contact_sheet(rows, columns, title=f"Outtake: every {REMOVED_CLASS} taken out")


def print_table(record: dict[str, Any], console: Console) -> None:
    """Print what came out."""
    table = Table(title="Outtake demo", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("val mIoU", f"{record['val_miou']:.4f}")
    for name, value in record["val_iou"].items():
        table.add_row(f"  IoU {name}", "-" if value is None else f"{value:.4f}")
    table.add_row("PSNR in the hole", f"{record['psnr_hole_db']:.2f} dB")
    table.add_row("  before removal", f"{record['psnr_hole_before_db']:.2f} dB")
    if record["psnr_moving_hidden_db"] is not None:
        table.add_row(
            "PSNR of people and balls hidden", f"{record['psnr_moving_hidden_db']:.2f} dB"
        )
        table.add_row("  SSIM", f"{record['ssim_moving_hidden']:.3f}")
    table.add_row("removal, decode to file", f"{record['frames_per_second']:.1f} frames/s")
    table.add_row("whole demo", f"{record['seconds']:.0f} s")
    folder = Path(record["folder"])
    for name in (
        "checkpoints/best.ckpt",
        "before.mp4",
        "after.mp4",
        "side_by_side.mp4",
        "contact_sheet.png",
    ):
        table.add_row("written", str(folder / name))
    console.print(table)


def _make_video_info(width: int, height: int, fps: Fraction) -> VideoInfo:
    return VideoInfo(Path("rendered"), width, height, fps=fps, time_base=1 / fps)


def _remove_former_demo(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    overrides = folder / "overrides.yaml"
    if not overrides.is_file() or not overrides.read_text().startswith(f"- {EXPERIMENT_OVERRIDE}"):
        raise OutputError(f"{folder} holds something that is no demo; give another --output")
    shutil.rmtree(folder)


def main() -> None:
    """Run the demo from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="the run folder")
    parser.add_argument("--frames", type=int, default=VIDEO_FRAMES, help="length of the video")
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for conf/train.yaml")
    arguments = parser.parse_args()
    check_minimum_scores(demo(arguments.output, arguments.overrides, arguments.frames))


if __name__ == "__main__":
    run_program(main)
