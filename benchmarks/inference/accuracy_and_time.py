"""Accuracy against time: networks that were trained alike, and what each takes to label a frame.

    OUTTAKE_DATA=PATH python -m benchmarks.inference.accuracy_and_time
        [--models fpn-regnetx_004 ddrnet23_slim ...] [--epochs 60] [--runs runs/accuracy_and_time]
        [--trained runs/camvid ...] [--shares 1 0.75] [--plot docs/images/accuracy_and_time.svg]
        [OVERRIDE ...]

Every network is trained with the recipe of ``experiment=camvid_fast``, for equally many epochs. Its
mIoU is that of the validation split, as the backend labels it in the precision named; its time is
that from a frame of 480x352 to its labels, in milliseconds: the least wall clock and the least
processor time of some runs, on as many threads as there are processors. With ``--shares`` networks
see the frames at other sizes too, as shares of the size of their evaluation. With ``--trained``
finished runs of other recipes are measured too, or alone, by the names of their folders. A run that
was interrupted goes on where it stopped, and a finished one is not trained again.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.inference.speed import best_ms, label_all, miou
from benchmarks.training.resumable_runs import train_once
from outtake.config.load_trained import load_trained
from outtake.core.errors import OuttakeError
from outtake.core.types import Frame
from outtake.data.camvid import CamVid
from outtake.data.resize import resize, resize_short_side
from outtake.inference.int8_calibration import iter_training_images
from outtake.inference.open_backend import open_backend
from outtake.inference.protocol import Backend

FRAME = (352, 480)
LIMIT_MS = 12.0
# That of experiment=camvid_fast, whose network is one of them.
RECIPE = (
    "data=camvid",
    "scheduler=one_cycle",
    "callbacks=ema",
    "optimizer.lr=2.0e-3",
    "data.eval_short_side=202",
    "logger=none",
    "trainer.check_val_every_n_epoch=10",
)
# Where the recipe works at half of the resolution, these networks, whose first layers divide it by
# eight, see all of it.
WHOLE = ("data.short_side=360", "data.crop=[256,352]", "data.eval_short_side=405")
PLAIN = ("loss.class_weights=log",)
DEEP = ("loss=deep_supervision", "loss.loss.class_weights=log")
MODELS: dict[str, tuple[str, ...]] = {
    "small": ("model=small", *PLAIN),
    "enet": ("model=enet", *PLAIN),
    "fpn-regnetx_004": ("model=fpn_light", "backbone=regnetx_004", *PLAIN),
    "fpn-mobilenet_v2": ("model=fpn_light", "backbone=mobilenet_v2", *PLAIN),
    "fcn8s-resnet18": ("model=fcn8s", "backbone=resnet18", *PLAIN),
    "linknet-resnet18": ("model=linknet", "backbone=resnet18", *PLAIN),
    "pspnet-resnet18": ("model=pspnet", "backbone=resnet18", *PLAIN),
    "unet-regnetx_004": ("model=unet", "backbone=regnetx_004", *PLAIN),
    "bisenet_v2": ("model=bisenet_v2", *DEEP, *WHOLE),
    "ddrnet23_slim": ("model=ddrnet23_slim", *DEEP, *WHOLE),
    "pidnet_s": ("model=pidnet_s", *DEEP, *WHOLE),
    "pidnet_s-18": ("model=pidnet_s", "model.width=18", *DEEP, *WHOLE),
}
PRECISIONS = {"bfloat16": "#2563eb", "int8": "#d97706"}

# The plot, in pixels.
WIDTH, HEIGHT, MARGIN = 760, 460, 60


@dataclass(frozen=True)
class Point:
    """A network in one precision.

    Attributes:
        model: Its name.
        precision: Of OpenVINO.
        miou: On the validation split.
        wall_ms: The time of a frame on all processors.
        processor_ms: The processor time of a frame.
    """

    model: str
    precision: str
    miou: float
    wall_ms: float
    processor_ms: float


def measure(model: str, run: Path, source: CamVid, shares: Sequence[float]) -> list[Point]:
    """Return the points of a trained network; a precision that cannot be run is left out.

    Args:
        model: Its name.
        run: Its run folder.
        source: The data set.
        shares: The sizes at which it sees frames, as shares of that of its evaluation.
    """
    trained = load_trained(run)
    frame: Frame = resize(source.read_image(source.samples("val")[0]), FRAME)
    points = []
    for precision in PRECISIONS:
        try:
            backend = open_backend(
                "openvino",
                trained,
                device="cpu",
                precision=precision,
                calibration=lambda: iter_training_images(source),
            )
        except OuttakeError as error:
            print(f"{model} in {precision} is left out: {error}")
            continue

        for share in shares:
            side = round(share * (trained.short_side or min(FRAME)))

            def label(run: Backend = backend, side: int = side) -> object:
                return run(resize_short_side(frame, side)[None], FRAME)

            wall_ms, processor_ms = best_ms(label)
            score = miou(label_all(backend, source, side), source)
            name = model if share == 1 else f"{model} at {side}"
            points.append(Point(name, precision, score, wall_ms, processor_ms))
    return points


def draw(points: Sequence[Point]) -> str:
    """Return the plot as SVG: time from left to right, on a logarithmic scale, accuracy upwards."""
    times = [LIMIT_MS, *(point.wall_ms for point in points)]
    first, last = math.log(0.8 * min(times)), math.log(1.6 * max(times))
    low = math.floor(20 * min(point.miou for point in points)) / 20
    high = max(low + 0.05, math.ceil(20 * max(point.miou for point in points)) / 20)
    named: set[str] = set()

    def place(time_ms: float, score: float) -> tuple[float, float]:
        along = (math.log(time_ms) - first) / (last - first)
        up = (score - low) / (high - low)
        return MARGIN + along * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)

    def text(x: float, y: float, words: str, anchor: str = "start") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

    def line(begin: tuple[float, float], end: tuple[float, float], style: str) -> str:
        (x1, y1), (x2, y2) = begin, end
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'

    left, right = math.exp(first), math.exp(last)
    parts = []
    for step in range(round(20 * (high - low)) + 1):
        score = low + step / 20
        x, y = place(left, score)
        parts += [line((x, y), place(right, score), 'stroke="#e5e7eb"'),
                  text(x - 8, y + 4, f"{score:.2f}", "end")]  # fmt: skip
    for time_ms in (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500):
        if left < time_ms < right:
            x, y = place(time_ms, low)
            parts.append(text(x, y + 18, str(time_ms), "middle"))
    parts.append(line(place(LIMIT_MS, low), place(LIMIT_MS, high),
                      'stroke="#6b7280" stroke-dasharray="4 4"'))  # fmt: skip
    x, y = place(LIMIT_MS, high)
    parts.append(text(x + 6, y + 14, f"{LIMIT_MS:.0f} ms"))
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in (place(p.wall_ms, p.miou) for p in points)]
    for point in points:
        x, y = place(point.wall_ms, point.miou)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{PRECISIONS[point.precision]}"/>'
        )
        if point.model not in named:
            named.add(point.model)
            parts.append(text(*_find_room(x, y, point.model, taken)))
    for row, (precision, colour) in enumerate(PRECISIONS.items()):
        y = 20 + 18 * row
        parts.append(f'<circle cx="{WIDTH - 120}" cy="{y}" r="5" fill="{colour}"/>')
        parts.append(text(WIDTH - 108, y + 4, precision))
    parts.append(text(WIDTH / 2, HEIGHT - 14, "ms for a frame of 480x352", "middle"))
    parts.append(text(8, 24, "mIoU, CamVid val"))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="13" fill="#111827">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _find_room(
    x: float, y: float, words: str, taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, str, str]:
    """Return where words are written beside a point so that they cover nothing, and their anchor.

    Args:
        x: The place of the point.
        y: The same, downwards.
        words: The words.
        taken: The rectangles that are taken, as left, top, right and bottom; theirs is added.
    """
    width, places = 7.2 * len(words), []
    for anchor, left in (("start", x + 8), ("end", x - 8 - width)):
        for base in (y - 6, y + 16, y + 5):
            box = (left, base - 11, left + width, base + 3)
            covers = sum(
                box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
                for other in taken
            )
            outside = left < 0 or left + width > WIDTH
            places.append(
                (covers + 9 * outside, box, (8 if anchor == "start" else -8), base, anchor)
            )
    _, box, shift, base, anchor = min(places, key=lambda each: each[0])
    taken.append(box)
    return x + shift, base, words, anchor


def main() -> None:
    """Train what is not trained yet, measure all, print the table and write the plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[], metavar="NAME")
    parser.add_argument("--trained", nargs="+", type=Path, default=[], metavar="RUN")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy_and_time"))
    parser.add_argument("--shares", nargs="+", type=float, default=[1.0], help="of the size")
    parser.add_argument("--plot", type=Path, help="an .svg file")
    arguments, overrides = parser.parse_known_args()
    source = CamVid(str(Path(os.environ["OUTTAKE_DATA"]) / "camvid"))
    runs: Path = arguments.runs.resolve()
    points: list[Point] = []
    for model in arguments.models or ([] if arguments.trained else MODELS):
        run = runs / model
        epochs = f"trainer.max_epochs={arguments.epochs}"
        train_once(run, [*RECIPE, *MODELS[model], epochs, *overrides])
        points += measure(model, run, source, arguments.shares)
    for run in arguments.trained:
        points += measure(run.name, run, source, arguments.shares)
    print(
        f"\n| network | precision | val mIoU | ms on {os.cpu_count()} processors | processor ms |"
    )
    print("|---|---|---|---|---|")
    for point in sorted(points, key=lambda one: -one.miou):
        print(
            f"| {point.model} | {point.precision} | {point.miou:.4f} "
            f"| {point.wall_ms:.1f} | {point.processor_ms:.1f} |"
        )
    if arguments.plot and points:
        arguments.plot.write_text(draw(points), encoding="utf-8")
        print(f"plot: {arguments.plot}")


if __name__ == "__main__":
    main()
