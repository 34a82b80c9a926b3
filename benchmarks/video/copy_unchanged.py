"""Measure what it saves to copy the packets of a source where nothing is removed.

    python -m benchmarks.video.copy_unchanged

Makes a 960x540 video of the CamVid val drive (in OUTTAKE_DATA) in groups of 30 pictures, with masks
in a tenth of its frames, removes what they cover with and without copies in turn, and prints the
processor time, the time, the size, and how far the picture outside the masks is from the source's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.clips import camvid_drive
from outtake.config.compose import compose
from outtake.core.types import TimedFrame
from outtake.programs.infer_video import infer_video
from outtake.video.read.clip import open_clip
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

SIZE = (540, 960)
GROUP = 30
HOLE = (slice(200, 340), slice(400, 560))


def make_clip(folder: Path, repeats: int) -> tuple[Path, Path]:
    """Write the clip, and masks of a box in its middle tenth; return both."""
    drive = camvid_drive(folder / "drive.mp4", *SIZE, repeats)
    video, masks = folder / "in.mp4", folder / "masks.mkv"
    with open_clip(drive) as clip, av.open(str(video), "w") as output:
        stream = output.add_stream(
            "libx264", rate=clip.info.fps, options={"g": str(GROUP), "crf": "18"}
        )
        stream.height, stream.width = SIZE
        stream.pix_fmt, count = "yuv420p", 0
        stream.codec_context.time_base = Fraction(1, 15)
        for frame in clip:
            made = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            made.pts, made.time_base = count, Fraction(1, 15)
            output.mux(stream.encode(made))
            count += 1
        output.mux(stream.encode(None))
    with (
        open_clip(video) as clip,
        open_writer(masks, clip.info, EncodingRequest("ffv1"), audio="none") as writer,
    ):
        for number, frame in enumerate(clip):
            hole = np.zeros_like(frame.image)
            if count * 9 // 20 <= number < count * 11 // 20:
                hole[HOLE] = 255
            writer.write(TimedFrame(hole, frame.pts, frame.time_base))
    return video, masks


def outside_psnr(video: Path, target: Path) -> float:
    """Return the PSNR in dB of the luma and chroma outside the box, over all frames."""
    squares: list[float] = []
    with av.open(str(video)) as before, av.open(str(target)) as after:
        pairs = zip(before.decode(video=0), after.decode(video=0), strict=True)
        for one, two in pairs:
            for a, b, divide in zip(_planes(one), _planes(two), (1, 2, 2), strict=True):
                error = np.square(a.astype(np.float64) - b)
                rows, columns = HOLE
                margin = 16  # the fill reaches a little past the mask
                error[
                    (rows.start - margin) // divide : (rows.stop + margin) // divide,
                    (columns.start - margin) // divide : (columns.stop + margin) // divide,
                ] = 0
                squares.append(float(error.mean()))
    return float(10 * np.log10(255**2 / np.mean(squares)))


def _planes(frame: av.VideoFrame) -> list[np.ndarray]:
    height, width = frame.height, frame.width
    packed = frame.to_ndarray().reshape(-1)
    luma, chroma = height * width, height * width // 4
    return [
        packed[:luma].reshape(height, width),
        packed[luma : luma + chroma].reshape(height // 2, width // 2),
        packed[luma + chroma :].reshape(height // 2, width // 2),
    ]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--repeats", type=int, default=6, help="number of times the drive is played"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for infer_video.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        video, masks = make_clip(Path(name), options.repeats)
        print(f"source: {video.stat().st_size / 1e6:.2f} MB")
        seconds: dict[str, list[float]] = {"auto": [], "never": []}
        for _ in range(options.rounds):
            for asked, taken in seconds.items():
                target = Path(name) / f"{asked}.mp4"
                overrides = [
                    f"input={video}", f"masks={masks}", f"output={target}", "overwrite=true",
                    f"encode.copy_unchanged={asked}", *options.overrides,
                ]  # fmt: skip
                began_s = time.process_time()
                infer_video(compose("infer_video", overrides))
                taken.append(time.process_time() - began_s)
                report = json.loads(target.with_suffix(".report.json").read_text())
                print(
                    f"{asked}: {taken[-1]:.1f} s of processor time, {report['seconds']:.1f} s, "
                    f"{report['stage_s']}",
                    flush=True,
                )
        for asked, taken in seconds.items():
            target = Path(name) / f"{asked}.mp4"
            report = json.loads(target.with_suffix(".report.json").read_text())
            print(
                f"{asked}: {report['copied_frames']} of {report['frames']} frames copied, "
                f"median {statistics.median(taken):.1f} s of processor time, "
                f"{target.stat().st_size / 1e6:.2f} MB, "
                f"{outside_psnr(video, target):.2f} dB outside"
            )


if __name__ == "__main__":
    main()
