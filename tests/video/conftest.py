"""Videos made on the spot: a textured picture that pans, with a tone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

TIME_BASE = Fraction(1, 12800)
AUDIO_SAMPLES = 960


@pytest.fixture(scope="session")
def pictures() -> Callable[[int, int, int], list[np.ndarray]]:
    def make(count: int, width: int, height: int) -> list[np.ndarray]:
        noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
        texture = cv2.resize(noise, (960, 640), interpolation=cv2.INTER_CUBIC)
        return [np.array(texture[i : i + height, 2 * i : 2 * i + width]) for i in range(count)]

    return make


@pytest.fixture
def make_video(tmp_path: Path, pictures) -> Callable[..., Path]:
    def make(
        name: str,
        codec: str = "libx264",
        *,
        frames: int = 30,
        size: tuple[int, int] = (96, 64),
        pts: Sequence[int] | None = None,
        audio: str | None = None,
        pix_fmt: str = "yuv420p",
        options: dict[str, str] | None = None,
        container: dict[str, str] | None = None,
        rotate: float | None = None,
        setup: Callable[..., None] | None = None,
    ) -> Path:
        path = tmp_path / name
        width, height = size
        scale = {"movie_timescale": "12800"} if path.suffix in (".mp4", ".mov") else {}
        with av.open(str(path), "w", container_options=scale | (container or {})) as output:
            stream = output.add_stream(codec, rate=25, options=options or {})
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.codec_context.time_base = TIME_BASE
            if rotate is not None:
                stream.set_display_rotation(rotate)
            if setup:
                setup(output, stream)
            tone = output.add_stream(audio, rate=48000) if audio else None
            samples = 0
            for index, picture in enumerate(pictures(frames, width, height)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = pts[index] if pts else index * 512
                frame.time_base = TIME_BASE
                output.mux(stream.encode(frame))
                while tone and samples / 48000 < (index + 1) / 25:
                    output.mux(tone.encode(_tone(samples)))
                    samples += AUDIO_SAMPLES
            output.mux(stream.encode(None))
            if tone:
                output.mux(tone.encode(None))
        return path

    return make


@pytest.fixture
def held_gif(tmp_path: Path, pictures) -> Path:
    """Four frames, 0.1 s each but the last, which is held for 3 s."""
    path = tmp_path / "held.gif"
    first, *others = [Image.fromarray(picture) for picture in pictures(4, 96, 64)]
    first.save(path, save_all=True, append_images=others, duration=[100, 100, 100, 3000])
    return path


def _tone(start: int) -> av.AudioFrame:
    wave = np.sin(np.arange(start, start + AUDIO_SAMPLES) * 0.05).astype(np.float32)[None] * 0.3
    frame = av.AudioFrame.from_ndarray(wave.repeat(2, 0), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
    return frame
