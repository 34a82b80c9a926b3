"""Files of many kinds, made on the spot: codecs, containers, timing, tags, and broken ones.

``KINDS`` maps a name to how its file is made and what is to be found in it. Frames are small and
few, so that all of them take seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.stream import Disposition

from outtake.core.cpu import restore_scheduling

FRAMES = 12
SIZE = (64, 48)
RATE = 25
TIME_BASE = Fraction(1, 12800)
STEPS = tuple(512 * i for i in range(FRAMES))
VARIABLE = tuple(np.cumsum(np.random.default_rng(1).integers(200, 2000, FRAMES)).tolist())
SAMPLES = 960


@dataclass(frozen=True)
class Kind:
    """How a file is made, and what a reader has to find.

    Attributes:
        name: of the file or folder.
        make: writes it.
        frames: that it holds.
        error: what the reader's complaint has to match; None for a file in order.
        warning: what a reader has to mention, if anything.
        target: suffix of the copy that is written; empty for a folder of images.
        picture: whether the picture can be compared with what was drawn.
        turned: quarter turns counterclockwise of what was drawn.
        size: before the turn.
        alike_db: least PSNR between a frame and its copy.
        tags: colour tags that it carries.
    """

    name: str
    make: Callable[[Path], None]
    frames: int = FRAMES
    error: str | None = None
    warning: str | None = None
    target: str = ".mp4"
    picture: bool = True
    turned: int = 0
    size: tuple[int, int] = SIZE
    alike_db: float = 28
    tags: dict[str, int] = field(default_factory=dict)


@cache
def draw_pictures(
    count: int = FRAMES, width: int = SIZE[0], height: int = SIZE[1]
) -> list[np.ndarray]:
    """A texture that pans, smooth enough for any codec; the corners differ in brightness."""
    noise = np.random.default_rng(0).integers(40, 215, (8, 10, 3), np.uint8)
    texture = cv2.resize(noise, (width + 2 * count, height + count), interpolation=cv2.INTER_CUBIC)
    return [np.array(texture[i : i + height, 2 * i : 2 * i + width]) for i in range(count)]


@restore_scheduling()
def encode_clip(
    path: Path,
    codec: str = "libx264",
    *,
    frames: int = FRAMES,
    size: tuple[int, int] = SIZE,
    pts: Sequence[int] = STEPS,
    pix_fmt: str = "yuv420p",
    audio: Sequence[str] = (),
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    form: str | None = None,
    rotate: float | None = None,
    aspect: Fraction | None = None,
    tags: dict[str, int] | None = None,
    chapters: bool = False,
    cover: bool = False,
    subtitles: bool = False,
    time_base: Fraction = TIME_BASE,
) -> None:
    """Write a film of the drawn pictures."""
    exact = {"movie_timescale": "12800"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", format=form, container_options=exact | (container or {})) as out:
        stream = out.add_stream(codec, rate=RATE, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        context = stream.codec_context
        context.time_base = time_base
        if aspect:
            context.sample_aspect_ratio = aspect
        for key, value in (tags or {}).items():
            setattr(context, key, value)
        if rotate is not None:
            stream.set_display_rotation(rotate)
        tones = [out.add_stream(name, rate=48000) for name in audio]
        texts = _add_subtitles(out, path) if subtitles else None
        art = _add_cover(out) if cover else None
        if chapters:
            out.set_chapters(
                [
                    {"id": i, "start": 200 * i, "end": 200 * (i + 1),
                     "time_base": Fraction(1, 1000), "metadata": {"title": f"part {i}"}}
                    for i in range(2)
                ]
            )  # fmt: skip
        out.metadata["title"] = "A walk"
        out.start_encoding()
        if art:
            out.mux(art)
        samples = 0
        for index, picture in enumerate(draw_pictures(frames, *size)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pix_fmt.startswith(("yuvj", "yuva", "argb", "rgba")):
                frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(pts[index] * TIME_BASE / time_base), time_base
            out.mux(stream.encode(frame))
            while tones and samples / 48000 < pts[index] / 12800 + 0.04:
                for tone in tones:
                    out.mux(tone.encode(_tone(samples, tone)))
                samples += SAMPLES
        for part in (stream, *tones):
            out.mux(part.encode(None))
        if texts:
            for packet in texts:
                out.mux(packet)


def _tone(start: int, stream: av.AudioStream) -> av.AudioFrame:
    wave = np.sin(np.arange(start, start + SAMPLES) * 0.05 * (1 + stream.index)) * 0.3
    if stream.codec_context.codec.name == "pcm_s16le":
        data, form = (wave * 30000).astype(np.int16)[None].repeat(2, 1), "s16"
    else:
        data, form = wave.astype(np.float32)[None].repeat(2, 0), "fltp"
    frame = av.AudioFrame.from_ndarray(data, format=form, layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
    return frame


def _add_subtitles(out: av.container.OutputContainer, path: Path) -> list[av.Packet]:
    words = path.with_name("words.srt")
    words.write_text("1\n00:00:00,040 --> 00:00:00,200\nHello\n\n")
    with av.open(str(words)) as text:
        track = text.streams.subtitles[0]
        copy = out.add_stream_from_template(track, opaque=True)
        packets = [packet for packet in text.demux(track) if packet.size]
        for packet in packets:
            packet.stream = copy
    words.unlink()
    return packets


def _add_cover(out: av.container.OutputContainer) -> av.Packet:
    art = out.add_stream("mjpeg", rate=1)
    art.width, art.height, art.pix_fmt = 32, 32, "yuvj420p"
    art.disposition = Disposition.attached_pic
    picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 200, np.uint8), format="rgb24")
    return art.encode(picture.reformat(format="yuvj420p"))[0]


def remux_shifted(source: Path, target: Path, shift: int, **options: str) -> None:
    """Copy the packets of a film with other times; what lies before 0 is cut by an edit list."""
    with av.open(str(source)) as film, av.open(
        str(target), "w", container_options={"avoid_negative_ts": "disabled", **options}
    ) as out:  # fmt: skip
        track = film.streams.video[0]
        copy = out.add_stream_from_template(track, opaque=True)
        for packet in film.demux(track):
            if packet.size:
                packet.pts += shift
                packet.dts += shift
                packet.stream = copy
                out.mux(packet)


def remux_tracks(
    source: Path, target: Path, shift_s: Fraction | float = 0, *, decoding_times: bool = False
) -> None:
    """Copy all tracks with times that are later by some seconds.

    With ``decoding_times`` each packet is shown when it is decoded, as by a muxer that knows no
    other time.
    """
    with av.open(str(source)) as film, av.open(
        str(target), "w", container_options={"avoid_negative_ts": "disabled"}
    ) as out:  # fmt: skip
        copies = {
            track.index: out.add_stream_from_template(track, opaque=True) for track in film.streams
        }
        for copy in copies.values():
            if copy.type == "video":
                copy.codec_context.framerate = RATE
        for packet in film.demux():
            if packet.size:
                shift = round(shift_s / packet.time_base)
                packet.dts = (packet.pts if packet.dts is None else packet.dts) + shift
                packet.pts = packet.dts if decoding_times else packet.pts + shift
                packet.stream = copies[packet.stream_index]
                out.mux(packet)


def write_joined(path: Path, sizes: Sequence[tuple[int, int]], codec: str = "mjpeg") -> None:
    """Write one track whose pictures change their size."""
    stream, time = None, 0
    with av.open(str(path), "w") as out:
        for number, size in enumerate(sizes):
            part = path.with_name(f"part{number}.mkv")
            encode_clip(part, codec, frames=3, size=size, pix_fmt="yuvj420p")
            with av.open(str(part)) as container:
                track = container.streams.video[0]
                stream = stream or out.add_stream_from_template(track, opaque=True)
                for packet in container.demux(track):
                    if packet.size:
                        packet.pts = packet.dts = time
                        packet.stream = stream
                        out.mux(packet)
                        time += 40
            part.unlink()


def images(folder: Path, suffix: str, *, deep: bool = False, names: str = "f{}") -> None:
    """Write the drawn pictures as image files, to be sorted as numbers."""
    folder.mkdir()
    for index, picture in enumerate(draw_pictures()):
        image = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        cv2.imwrite(
            str(folder / (names.format(index + 1) + suffix)),
            image * np.uint16(257) + np.uint16(3) if deep else image,
        )


def truncate_to(make: Callable[[Path], None], share: float, path: Path) -> None:
    """Make a file and drop its end."""
    make(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share) // 188 * 188 + 5])


def add_noise(make: Callable[[Path], None], begin: float, end: float, path: Path) -> None:
    """Make a file and overwrite a part of it with noise."""
    make(path)
    data = bytearray(path.read_bytes())
    low, high = int(len(data) * begin), int(len(data) * end)
    data[low:high] = np.random.default_rng(3).bytes(high - low)
    path.write_bytes(data)


def header_only(path: Path) -> None:
    """Write a header that is followed by nothing."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        out.start_encoding()


def write_huge_header(path: Path, side: int) -> None:
    """Write a small file whose header says that frames are square and that large."""
    encode_clip(path, "ffv1", frames=2, size=(320, 256), pix_fmt="bgr0")
    data = path.read_bytes()
    for code, size in ((0xB0, 320), (0xBA, 256)):  # PixelWidth, PixelHeight
        number = bytes([code, 0x82])
        data = data.replace(number + size.to_bytes(2, "big"), number + side.to_bytes(2, "big"))
    path.write_bytes(data)


def write_huge_frame(path: Path) -> None:
    """Write a film of JPEG pictures that are larger than its header says."""
    encode_clip(path, "mjpeg", frames=2, pix_fmt="yuvj420p", time_base=Fraction(1, 25))
    size = struct.pack(">HH", SIZE[1], SIZE[0])
    path.write_bytes(path.read_bytes().replace(size, struct.pack(">HH", 60000, 60000)))


def write_sound_only(path: Path) -> None:
    """Write a film without a picture."""
    with av.open(str(path), "w") as out:
        tone = out.add_stream("aac", rate=48000)
        for index in range(5):
            out.mux(tone.encode(_tone(index * SAMPLES, tone)))
        out.mux(tone.encode(None))


def write_false_length(path: Path) -> None:
    """Write a film whose header promises 2**31 - 1 frames."""
    encode_clip(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"stts") + 12
    data[place : place + 4] = struct.pack(">I", 2**31 - 1)
    path.write_bytes(data)


def write_twice(path: Path) -> None:
    """Write a recording that is followed by itself."""
    encode_clip(path)
    path.write_bytes(path.read_bytes() * 2)


_FAST = {"preset": "ultrafast"}
BFRAMES = {"preset": "fast", "bf": "3", "g": "12", "x264-params": "b-adapt=0:scenecut=0"}
_OPEN = {
    "preset": "fast", "bf": "2", "x264-params": "open-gop=1:keyint=6:min-keyint=6:scenecut=0",
}  # fmt: skip
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
_AV1 = {"preset": "12", "svtav1-params": "lp=1"}
_VP = {"deadline": "realtime", "cpu-used": "8"}
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
BT601 = {"colorspace": 6, "color_primaries": 6, "color_trc": 6, "color_range": 1}
BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}
BT2020 = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
FULL = {**BT709, "color_range": 2}


def _film(codec: str = "libx264", **options: object) -> Callable[[Path], None]:
    return partial(encode_clip, codec=codec, **options)


def _recut(path: Path, shift: int, **options: str) -> None:
    source = path.with_name("source.mp4")
    encode_clip(source, options={"preset": "ultrafast", "g": "4"})
    remux_shifted(source, path, shift, **options)
    source.unlink()


def _still(path: Path) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(draw_pictures(1)[0], cv2.COLOR_RGB2BGR))


GOOD: dict[str, Kind] = {
    "h264 mp4 aac": Kind("a.mp4", _film(audio=["aac"], options=_FAST)),
    "h264 mp4 silent": Kind("a.mp4", _film(options=_FAST)),
    "h264 faststart": Kind("a.mp4", _film(container={"movflags": "faststart"}, audio=["aac"])),
    "h264 fragments": Kind("a.mp4", _film(container=_FRAGMENTS, audio=["aac"])),
    "h264 b-frames": Kind("a.mp4", _film(options=BFRAMES, audio=["aac"])),
    "h264 open gop": Kind("a.mkv", _film(options=_OPEN)),
    "h264 long gop": Kind("a.mp4", _film(options={"preset": "fast", "g": "250"})),
    "h264 variable rate mp4": Kind("a.mp4", _film(pts=VARIABLE, audio=["aac"])),
    "h264 variable rate mkv": Kind("a.mkv", _film(pts=VARIABLE), target=".mkv"),
    "h264 edit list": Kind("a.mp4", partial(_recut, shift=-2048), frames=FRAMES - 4, picture=False),
    "h264 starts late": Kind("a.mp4", partial(_recut, shift=12800)),
    "h264 decoding before 0": Kind(
        "a.mp4", _film(options=BFRAMES, container={"movflags": "negative_cts_offsets"})
    ),
    "h264 mov pcm": Kind("a.mov", _film(audio=["pcm_s16le"]), target=".mov"),
    "h264 mkv opus": Kind("a.mkv", _film(audio=["libopus"])),  # its sound begins before 0
    "h264 mkv flac": Kind("a.mkv", _film(audio=["flac"]), target=".mkv"),
    "h264 mkv ac3": Kind("a.mkv", _film(audio=["ac3"])),
    "h264 two audio tracks": Kind("a.mp4", _film(audio=["aac", "libmp3lame"])),
    "h264 subtitles": Kind("a.mkv", _film(subtitles=True, audio=["aac"]), target=".mkv"),
    "h264 chapters": Kind("a.mp4", _film(chapters=True)),
    "h264 cover art": Kind("a.mp4", _film(cover=True, audio=["aac"])),
    "h264 transport stream": Kind("a.ts", _film(audio=["aac"])),
    "h264 flv": Kind("a.flv", _film(audio=["aac"], time_base=Fraction(1, 1000))),
    "h264 avi": Kind("a.avi", _film(options=_FAST, time_base=Fraction(1, 25))),
    "h264 avi b-frames": Kind(
        "a.avi", _film(options=BFRAMES, audio=["libmp3lame"], time_base=Fraction(1, 25))
    ),
    "h264 asf b-frames": Kind(
        "a.asf", _film(options=BFRAMES, audio=["libmp3lame"], time_base=Fraction(1, 1000))
    ),
    "h264 live mkv": Kind("a.mkv", _film(container={"live": "1"})),
    "h264 rotated 90": Kind("a.mp4", _film(rotate=90), turned=1),
    "h264 rotated 180": Kind("a.mp4", _film(rotate=180), turned=2),
    "h264 rotated 270": Kind("a.mov", _film(rotate=-90), turned=3),
    "h264 pixel aspect": Kind("a.mp4", _film(aspect=Fraction(4, 3))),
    "h264 odd size": Kind("a.mp4", _film(size=(63, 47), pix_fmt="yuv444p"), size=(63, 47)),
    "h264 full range": Kind("a.mp4", _film(pix_fmt="yuvj420p", tags=FULL), tags=FULL),
    "h264 bt601": Kind("a.mp4", _film(tags=BT601), tags=BT601, picture=False),
    "h264 bt709": Kind("a.mp4", _film(tags=BT709), tags=BT709, picture=False),
    "h264 gray": Kind("a.mp4", _film(pix_fmt="gray"), picture=False),
    "h264 interlaced": Kind(
        "a.mp4", _film(options={"preset": "fast", "flags": "+ilme+ildct"}), warning="interlaced"
    ),
    "h264 single frame": Kind("a.mp4", _film(frames=1), frames=1),
    "h265 10 bit bt2020": Kind(
        "a.mp4", _film("libx265", pix_fmt="yuv420p10le", options=_X265, tags=BT2020),
        tags=BT2020, picture=False,
    ),
    "h265 8 bit mkv": Kind("a.mkv", _film("libx265", options=_X265)),
    "av1 mp4": Kind("a.mp4", _film("libsvtav1", options=_AV1)),
    "av1 10 bit mkv": Kind("a.mkv", _film("libsvtav1", pix_fmt="yuv420p10le", options=_AV1)),
    "vp9 webm opus": Kind(
        "a.webm", _film("libvpx-vp9", options=_VP, audio=["libopus"]), target=".webm"
    ),
    "vp9 alpha": Kind("a.webm", _film("libvpx-vp9", pix_fmt="yuva420p", options=_VP)),
    "vp8 webm vorbis": Kind("a.webm", _film("libvpx", options=_VP, audio=["libopus"])),
    "mpeg4 avi mp3": Kind("a.avi", _film("mpeg4", audio=["libmp3lame"], time_base=Fraction(1, 25))),
    "mpeg4 mp4 b-frames": Kind("a.mp4", _film("mpeg4", options={"bf": "2"})),
    "mpeg2 ts": Kind("a.ts", _film("mpeg2video", time_base=Fraction(1, 25))),
    "mpeg2 ps": Kind("a.mpg", _film("mpeg2video", form="mpeg", time_base=Fraction(1, 25))),
    "mpeg1 mkv": Kind("a.mkv", _film("mpeg1video", time_base=Fraction(1, 25))),
    "mjpeg avi pcm": Kind(
        "a.avi",
        _film("mjpeg", pix_fmt="yuvj420p", audio=["pcm_s16le"], time_base=Fraction(1, 25)),
        target=".mkv",
    ),
    "mjpeg mov": Kind("a.mov", _film("mjpeg", pix_fmt="yuvj422p")),
    "prores 422 10 bit": Kind("a.mov", _film("prores_ks", pix_fmt="yuv422p10le")),
    "prores 4444 alpha": Kind(
        "a.mov", _film("prores_ks", pix_fmt="yuva444p10le", options={"profile": "4"})
    ),
    "dnxhd mov": Kind(
        "a.mov",
        _film("dnxhd", size=(256, 128), pix_fmt="yuv422p", options={"profile": "dnxhr_sq"}),
        size=(256, 128),
    ),
    "ffv1 rgb": Kind("a.mkv", _film("ffv1", pix_fmt="bgr0"), target=".mkv"),
    "ffv1 4:4:4 16 bit": Kind("a.mkv", _film("ffv1", pix_fmt="yuv444p16le"), target=".mkv"),
    "ffv1 4:2:2 10 bit": Kind("a.mkv", _film("ffv1", pix_fmt="yuv422p10le")),
    "huffyuv avi": Kind("a.avi", _film("huffyuv", pix_fmt="yuv422p", time_base=Fraction(1, 25))),
    "raw avi": Kind("a.avi", _film("rawvideo", pix_fmt="yuv420p", time_base=Fraction(1, 25))),
    "qtrle alpha": Kind("a.mov", _film("qtrle", pix_fmt="argb")),
    "png mov": Kind("a.mov", _film("png", pix_fmt="rgb24")),
    "wmv2 asf": Kind("a.wmv", _film("wmv2", time_base=Fraction(1, 1000))),
    "gif": Kind("a.gif", _film("gif", pix_fmt="rgb8"), picture=False, alike_db=20),
    "png folder": Kind("frames", partial(images, suffix=".png")),
    "16 bit png folder": Kind("frames", partial(images, suffix=".png", deep=True)),
    "jpeg folder": Kind("frames", partial(images, suffix=".jpg"), target=""),
    "tiff folder": Kind("frames", partial(images, suffix=".tif", deep=True)),
    "webp folder": Kind("frames", partial(images, suffix=".webp", names="{}")),
    "bmp folder": Kind("frames", partial(images, suffix=".bmp")),
    "one image": Kind("a.png", _still, frames=1),
}  # fmt: skip

_TRUNCATED = r"truncated|damaged|no readable frame|not a readable video"
BROKEN: dict[str, Kind] = {
    f"truncated {name}": Kind(
        GOOD[name].name, partial(truncate_to, GOOD[name].make, share), error=_TRUNCATED
    )
    for name, share in (
        ("h264 mp4 aac", 0.7), ("h264 faststart", 0.7), ("h264 fragments", 0.7),
        ("h264 mkv opus", 0.7), ("vp9 webm opus", 0.5), ("mpeg4 avi mp3", 0.6),
        ("h264 transport stream", 0.6), ("prores 422 10 bit", 0.7), ("h264 flv", 0.6),
        ("mpeg2 ps", 0.5), ("gif", 0.5), ("wmv2 asf", 0.6), ("mjpeg avi pcm", 0.4),
    )
} | {
    f"corrupt {name}": Kind(
        GOOD[name].name, partial(add_noise, GOOD[name].make, begin, end), error=_TRUNCATED
    )
    for name, begin, end in (
        ("h264 faststart", 0.75, 0.85), ("ffv1 rgb", 0.4, 0.5), ("prores 422 10 bit", 0.4, 0.5),
        ("av1 mp4", 0.2, 0.4), ("vp9 webm opus", 0.4, 0.5), ("mpeg2 ts", 0.3, 0.5),
    )
} | {
    "no frame mp4": Kind("a.mp4", header_only, error=r"no readable frame|holds no frame|no video"),
    "no frame mkv": Kind("a.mkv", header_only, error="not a readable video"),
    "sound only": Kind("a.mp4", write_sound_only, error="no video track; it holds audio"),
    "empty": Kind("a.mp4", lambda path: path.touch(), error="is empty"),
    "text": Kind("a.mp4", lambda path: path.write_text("words\n" * 99), error="not a readable"),
    "size changes": Kind(
        "a.mkv",
        partial(write_joined, sizes=[(64, 48), (48, 48)]),
        error="changes its size from 64x48",
    ),
    "joined recordings": Kind(
        "a.ts", write_twice, error=r"jumps back in time, from 0\.480 to 0\.000 s"
    ),
    "2**31 frames": Kind("a.mp4", write_false_length, error=r"read\.limits\.max_frames"),
    "16000 x 16000": Kind(
        "a.mkv",
        partial(write_huge_header, side=16000),
        error=r"read\.limits\.max_pixels",
    ),
    "60000 x 60000": Kind(
        "a.mkv",
        partial(write_huge_header, side=60000),
        error="has no readable frame",
    ),
    "60000 x 60000 inside": Kind("a.avi", write_huge_frame, error="has no readable frame|damaged"),
    "playlist": Kind(
        "a.mp4", lambda path: path.write_text("#EXTM3U\n#EXTINF:2,\n/etc/hostname\n"),
        error="list of other files",
    ),
    "list to join": Kind(
        "a.mp4", lambda path: path.write_text("ffconcat version 1.0\nfile b.mp4\n"),
        error="list of other files",
    ),
}  # fmt: skip
KINDS = GOOD | BROKEN
