"""Which sound goes from which container into which: copied, encoded again, or refused before work.

``python -m benchmarks.video.sound_matrix`` makes a small clip of every kind with PyAV, takes its
sound into every kind of output, and writes the table of ``docs/sound.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from outtake.video.read.probe import VideoInfo
from outtake.video.write.matroska_wma import name_wma_tracks
from outtake.video.write.track_copy import TrackCopier, muxer_options
from outtake.video.write.track_plan import plan_tracks

PAGE = Path(__file__).parents[2] / "docs" / "sound.md"
# FFmpeg's names of the containers by suffix, and the codec of the picture where it is not MPEG-4.
SOURCES = {
    "avi": "avi", "mkv": "matroska", "mov": "mov", "mp4": "mp4", "ts": "mpegts", "webm": "webm",
    "mxf": "mxf", "flv": "flv", "wmv": "asf",
}  # fmt: skip
_PICTURES = {"webm": "libvpx", "mxf": "mpeg2video", "flv": "flv"}
TARGETS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# The encoder and the layout of each kind of sound.
SOUNDS = {
    "pcm_u8": ("pcm_u8", "stereo"),
    "pcm_s16le": ("pcm_s16le", "stereo"),
    "pcm_s24le": ("pcm_s24le", "stereo"),
    "pcm_s16le 5.1": ("pcm_s16le", "5.1"),
    "mp2": ("mp2", "stereo"),
    "mp3": ("libmp3lame", "stereo"),
    "aac": ("aac", "stereo"),
    "ac3": ("ac3", "stereo"),
    "vorbis": ("vorbis", "stereo"),
    "opus": ("libopus", "stereo"),
    "flac": ("flac", "stereo"),
    "alac": ("alac", "stereo"),
    "adpcm_ima_wav": ("adpcm_ima_wav", "stereo"),
    "adpcm_ms": ("adpcm_ms", "stereo"),
    "wmav2": ("wmav2", "stereo"),
}
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
_SECONDS = Fraction(1, 5)
_BLOCK = 960


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the sound of one clip in one container.

    Attributes:
        sound: The kind of sound, a key of :data:`SOUNDS`.
        source: The suffix of the clip.
        target: The suffix of the output.
        codec: FFmpeg's name of the sound in the output.
        copied: Whether its packets were copied.
        seconds: How long the sound of the clip and of the output is.
        same: Whether the bytes are those of the clip, where they were copied.
    """

    sound: str
    source: str
    target: str
    codec: str
    copied: bool
    seconds: tuple[float, float]
    same: bool


def write_clip(path: Path, sound: str, seconds: Fraction = _SECONDS) -> bool:
    """Write a small clip with a tone; return False if its container does not hold such sound."""
    kind = path.suffix[1:]
    encoder, layout = SOUNDS[sound]
    if kind == "flv" and layout == "5.1":
        return False  # FFmpeg's muxer ends the process
    try:
        with av.open(str(path), "w", format=SOURCES[kind]) as out:
            picture = out.add_stream(_PICTURES.get(kind, "mpeg4"), rate=25)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
            rate = 44100 if kind == "flv" else 48000
            tone = out.add_stream(
                encoder, rate=rate, layout=layout, bit_rate=128_000, options={"strict": "-2"}
            )
            for index in range(int(25 * seconds)):
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 9 * index, np.uint8))
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(picture.encode(frame))
            for start in range(0, int(seconds * rate), _BLOCK):
                out.mux(tone.encode(draw_tone(tone, start)))
            out.mux(picture.encode(None))
            out.mux(tone.encode(None))
    except (av.FFmpegError, ValueError):
        return False
    with av.open(str(path)) as made:
        return len(made.streams.audio) == 1 and read_sound(made)[0] > 0


def draw_tone(stream: av.AudioStream, start: int) -> av.AudioFrame:
    """Return a block of a tone in the sample format of an encoder."""
    form, layout = stream.codec_context.format, stream.codec_context.layout
    channels = layout.nb_channels
    dtype = np.dtype(_DTYPES[form.name.removesuffix("p")])
    wave = np.sin(np.arange(start, start + _BLOCK) * 0.05) * 0.3
    if dtype.kind != "f":
        info = np.iinfo(dtype)
        wave = wave * info.max / (2 if dtype.kind == "u" else 1) + (dtype.kind == "u") * 128
    samples = wave.astype(dtype)
    data = samples[None].repeat(channels, 0) if form.is_planar else samples.repeat(channels)[None]
    frame = av.AudioFrame.from_ndarray(data, format=form.name, layout=layout.name)
    frame.sample_rate, frame.pts = stream.rate, start
    frame.time_base = Fraction(1, stream.rate)
    return frame


def read_sound(container: av.container.InputContainer) -> tuple[float, bytes]:
    """Return the seconds and the bytes of a file's sound."""
    stream = container.streams.audio[0]
    packets = [packet for packet in container.demux(stream) if packet.size]
    if not packets:
        return 0.0, b""
    steps = max(len(packets) - 1, 1)
    ticks = (packets[-1].pts or 0) - (packets[0].pts or 0)
    ticks += packets[-1].duration or round(ticks / steps)
    return float(ticks * stream.time_base), b"".join(map(_without_header, packets))


def _without_header(packet: av.Packet) -> bytes:
    """Return a packet without the header that AAC has in transport streams only."""
    data = bytes(packet)
    return data[7:] if data[:2] in (b"\xff\xf1", b"\xff\xf9") else data


def take_sound(path: Path, sound: str, target: str) -> Outcome:
    """Take the sound of a clip into an output, as a removal does it.

    Raises:
        OutputError: The sound was refused before any work.
    """
    info = VideoInfo(path, 32, 32, Fraction(25), Fraction(1, 25), codec="mpeg4")
    container = TARGETS[target]
    plans = plan_tracks(info, container, target, "auto")
    output = path.with_name(f"{path.stem}-sound{target}")
    options = muxer_options(container)
    with av.open(str(output), "w", format=container, container_options=options) as out:
        tracks = TrackCopier(info, out, plans)
        out.start_encoding()
        tracks.copy_until(float("inf"))
        tracks.finish()
        tracks.close()
    if container == "matroska":
        name_wma_tracks(output)
    with av.open(str(path)) as source, av.open(str(output)) as made:
        codec = made.streams.audio[0].codec_context.codec.canonical_name
        (before_s, before), (after_s, after) = read_sound(source), read_sound(made)
    copied = all(plan.codec is None for plan in plans)
    same = before == after
    return Outcome(sound, path.suffix, target, codec, copied, (before_s, after_s), same)


def run_matrix(folder: Path) -> Iterator[Outcome]:
    """Yield what becomes of every kind of sound, from every container into every other."""
    for sound in SOUNDS:
        for kind in SOURCES:
            path = folder / f"clip.{kind}"
            if write_clip(path, sound):
                for target in TARGETS:
                    yield take_sound(path, sound, target)


def format_table(outcomes: list[Outcome]) -> str:
    """Return the table of the page: a row for each sound, with the containers that it came from."""
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for sound in SOUNDS:
        of_sound = [each for each in outcomes if each.sound == sound]
        for source in dict.fromkeys(each.source for each in of_sound):
            cells = tuple(
                "copied" if each.copied else each.codec
                for each in of_sound
                if each.source == source
            )
            rows.setdefault((sound, cells), []).append(source[1:])
    head = ["sound", "from", *TARGETS]
    lines = [head, ["---"] * len(head)]
    lines += [[sound, ", ".join(found), *cells] for (sound, cells), found in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_page(outcomes: list[Outcome]) -> str:
    """Return the whole page."""
    clips = len({(each.sound, each.source) for each in outcomes})
    return f"""# Sound, by container

What `encode.audio=auto` does with the sound of a clip, by the suffix of `output`: its packets are
copied, or it is encoded as the codec that is named, and one line says so. Made by
`python -m benchmarks.video.sound_matrix` from {clips} small clips, one for each sound and container
that FFmpeg can make: {len(outcomes)} cases, none of which fails once the work has begun.
`tests/video/write/test_track_plan.py` compares this page with what happens.

{format_table(outcomes)}

"copied" is bit for bit, packet by packet. Where the last packet of Opus in Matroska ends before all
of its samples, `.mp4` says so by the length of that packet and its edit list, to the millisecond of
Matroska's times; FFmpeg does not follow these and plays up to 20 ms more. PCM in `.mp4` is stored
as ISO/IEC 23003-5 says, which browsers do not play: `encode.audio=aac` encodes it.
"""


def main() -> None:
    """Write the page."""
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder:
        PAGE.write_text(format_page([*run_matrix(Path(folder))]))


if __name__ == "__main__":
    main()
