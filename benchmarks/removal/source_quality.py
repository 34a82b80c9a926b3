"""The accuracy of ``clean_plate`` on noisy and on compressed clips.

Adds the noise of a sensor to rendered clips, or codes and decodes them as a camera or an archive
does, removes what hides the background, and prints: the PSNR in dB of the pixels that are not
removed against the clean original (``source``), that of the hole (``fill``), their difference, the
share of the hole that was synthesised, and how rough the fill is (``rough``): the deviation of
its second differences, as a multiple of that of the background, noisy or coded in the same way
without anything in front of it. With ``--grain`` the fill gets the grain of the picture.

    python -m benchmarks.removal.source_quality [--clips pan pan/fast] [--frames 48] [--grain]
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.removal.__main__ import Stage
from benchmarks.removal.rendered import add_grain, film, flat_world, rendered_street
from benchmarks.removal.scores import psnr, squared_error
from benchmarks.removal.shots import SIZE, Shot, Shots, walking_to_and_fro
from outtake.core.types import Frame, Mask
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.grain import GrainRemover

RATE = 25
Treatment = Callable[[Sequence[Frame]], list[Frame]]


def code(codec: str, **options: str) -> Treatment:
    """Return what codes frames and decodes them; no bit rate means that of the encoder."""

    def treat(frames: Sequence[Frame]) -> list[Frame]:
        file = io.BytesIO()
        height, width = frames[0].shape[:2]
        with av.open(file, "w", format="matroska") as container:
            stream = container.add_stream(codec, rate=RATE, options=options)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.time_base = Fraction(1, RATE)
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        file.seek(0)
        with av.open(file) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    return treat


def add_noise(deviation_grey: float) -> Treatment:
    """Return what adds noise to frames, the same on every call."""
    return lambda frames: [
        add_grain(frame, 1000 + t, deviation_grey) for t, frame in enumerate(frames)
    ]


TREATMENTS: dict[str, Treatment] = {
    "none": list,
    "noise 4": add_noise(4),
    "noise 8": add_noise(8),
    "mjpeg": code("mjpeg"),
    "mpeg2": code("mpeg2video"),
    "mpeg4": code("mpeg4"),
    "h264 crf 18": code("libx264", crf="18"),
    "h264 crf 28": code("libx264", crf="28"),
    "h264 crf 35": code("libx264", crf="35"),
}
CLIPS: dict[str, Shots] = {
    "pan": rendered_street(1, noise=0),
    "pan/fast": rendered_street(4, noise=0, clip=1),
    "handheld": rendered_street(0.2, jerk_px=3, noise=0),
    "masonry": film(flat_world(20, lambda t: (2 * t, t / 3, 1)), walking_to_and_fro(SIZE), noise=0),
}


@dataclass(frozen=True)
class Result:
    """How far a treated clip is from the clean original, and how far the fill of its hole.

    Attributes:
        source_db: PSNR of what is not removed.
        filled_db: PSNR of the fill.
        synthesised: The share of the fill that was synthesised.
        rough: How rough the fill is, as a multiple of the treated background.
    """

    source_db: float
    filled_db: float
    synthesised: float
    rough: float


def score_treatment(shots: Sequence[Shot], treat: Treatment, remover: Stage) -> Result:
    """Treat a clip, remove what hides the background, and score what is left of that."""
    shown = treat([shot.shown for shot in shots])
    background = treat([shot.truth for shot in shots])
    items = (
        Shot(shot.truth, frame, shot.hole, shot.own).masked(index)
        for index, (shot, frame) in enumerate(zip(shots, shown, strict=True))
    )
    hidden, synthesised = 0.0, 0.0
    roughness = np.zeros(2)
    fill_errors, source_errors = [], []
    for shot, alone, filled in zip(shots, background, remover(items), strict=True):
        scored = shot.scored()
        if filled.statistics is not None and scored.any():
            fill_errors.append(squared_error(shot.truth, filled.frame.image, scored))
            untouched = ~filled.source.mask
            source_errors.append(squared_error(shot.truth, filled.frame.image, untouched))
            hidden += float(scored.sum())
            roughness += [sum_curvature(one, scored) for one in (filled.frame.image, alone)]
            synthesised += float(scored.sum()) * filled.statistics.synthesised
    return Result(
        psnr(source_errors),
        psnr(fill_errors),
        synthesised / max(hidden, 1),
        float(np.sqrt(roughness[0] / roughness[1])),
    )


def sum_curvature(image: Frame, where: Mask) -> float:
    """Return the sum of the squared second differences of green across, inside of a mask."""
    inside = cv2.erode(where.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    second = cv2.filter2D(image[..., 1], cv2.CV_32F, np.array([[1.0, -2.0, 1.0]]))
    return float(np.square(second[inside]).sum())


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", nargs="+", choices=CLIPS, default=list(CLIPS))
    parser.add_argument("--sources", nargs="+", choices=TREATMENTS, default=list(TREATMENTS))
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--grain", action="store_true", help="the fill gets the picture's grain")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table("clip", "coded as", "source dB", "fill dB", "difference", "synthesised", "rough")
    for clip in arguments.clips:
        shots = list(CLIPS[clip](arguments.frames))
        for name in arguments.sources:
            remover = GrainRemover(CleanPlate()) if arguments.grain else CleanPlate()
            result = score_treatment(shots, TREATMENTS[name], remover)
            table.add_row(
                clip,
                name,
                f"{result.source_db:.2f}",
                f"{result.filled_db:.2f}",
                f"{result.filled_db - result.source_db:+.2f}",
                f"{result.synthesised:.1%}",
                f"{result.rough:.2f}",
            )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
