"""The alpha of a source is kept where the target has a place for it."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import VideoError
from outtake.core.frames import fill_hole
from outtake.removal.background_media import open_background
from outtake.video.read.clip import open_clip
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.read.reader import VideoReader
from outtake.video.write.encoding_plan import EncodingRequest, choose_encoding
from outtake.video.write.video_writer import open_writer
from tests.video.moving_scene import decode

RAMP = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))


CODECS = {
    "qtrle": ("in.mov", "argb"),
    "ffv1": ("in.mkv", "yuva420p"),
    "libvpx-vp9": ("in.webm", "yuva420p"),
    "libvpx": ("in.webm", "yuva420p"),
}


def write_video(folder: Path, codec: str, pixels: np.ndarray, frames: int = 2) -> Path:
    name, pix_fmt = CODECS[codec]
    with av.open(str(folder / name), "w") as output:
        options = {"libvpx-vp9": {"lossless": "1"}, "libvpx": {"auto-alt-ref": "0"}}.get(codec, {})
        stream = output.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], pix_fmt
        if name.endswith(".webm"):
            stream.metadata["alpha_mode"] = "1"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
            frame.pts = number
            output.mux(stream.encode(frame.reformat(format=pix_fmt)))
        output.mux(stream.encode(None))
    return folder / name


def write_gif(path: Path, *, hidden: range = range(0), frames: int = 40) -> Path:
    """Write a GIF whose pictures each leave out what stays as it was; some have a hole."""
    pictures = []
    for number in range(frames):
        pixels = np.full((48, 64, 4), 90, np.uint8)
        pixels[..., 3] = 255
        pixels[10:20, number : number + 8, :3] = (200, 30, 30)
        if number in hidden:
            pixels[30:, :20] = 0
        pictures.append(Image.fromarray(pixels))
    disposal = 2 if hidden else 0
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=40, disposal=disposal
    )
    return path


@pytest.fixture(params=["qtrle", "ffv1", "libvpx-vp9", "png", "deep png"])
def source(request, tmp_path) -> Path:
    pixels = np.dstack([np.full((64, 96, 3), 90, np.uint8), RAMP])
    if "png" in request.param:
        folder = tmp_path / "in"
        folder.mkdir()
        stored = pixels * np.uint16(257) if request.param == "deep png" else pixels
        for number in range(2):
            cv2.imwrite(str(folder / f"{number}.png"), stored)
        return folder
    return write_video(tmp_path, request.param, pixels)


def truth(source: Path) -> np.ndarray:
    """The alpha as it is read, which is the ramp but for rounding."""
    alpha = next(iter(open_clip(source))).stored.alpha.astype(int)
    alpha = alpha // 257 if alpha.max() > 255 else alpha
    assert np.abs(alpha - RAMP).max() <= 2
    return alpha


def clean(source: Path, target: Path) -> None:
    clip = open_clip(source)
    with clip, open_writer(target, clip.info) as writer:
        for frame in clip:
            image = frame.image.copy()
            hole = np.zeros(image.shape[:2], bool)
            hole[10:20, 10:20] = True
            image[hole] = 200
            writer.write(fill_hole(frame, image, hole))


@pytest.mark.parametrize(
    ("name", "decoder", "tolerance"),
    [("out.mov", None, 2), ("out.mkv", None, 1), ("out.webm", "libvpx-vp9", 4)],
)
def test_a_video_with_room_for_alpha_keeps_it(source, tmp_path, name, decoder, tolerance):
    clean(source, tmp_path / name)
    pixels = decode(tmp_path / name, decoder)[0].to_ndarray(format="rgba").astype(int)
    assert np.abs(pixels[..., 3] - truth(source)).mean() <= tolerance
    assert abs(pixels[12:18, 12:18, :3].mean() - 200) < 6
    assert abs(pixels[40:, :, :3].mean() - 90) < 6


def test_images_keep_it(source, tmp_path):
    clean(source, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        scale = 257 if stored.dtype == np.uint16 else 1
        assert np.array_equal(stored[..., 3], truth(source) * scale)


def test_where_there_is_no_room_a_line_says_so(source, tmp_path, caplog):
    clean(source, tmp_path / "out.mp4")
    assert caplog.text.count("its alpha is not kept, only the colours beneath it") == 1
    assert len(decode(tmp_path / "out.mp4")) == 2


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
def test_a_web_video_that_hides_colours_is_no_background(tmp_path, codec):
    pixels = np.dstack([np.full((64, 96, 3), 90, np.uint8), RAMP])
    path = write_video(tmp_path, codec, pixels, frames=12)
    assert sum(1 for _ in open_clip(path)) == 12
    with pytest.raises(VideoError, match=r"in\.webm: is transparent somewhere"):
        open_background(path)


def test_a_web_video_can_be_read_from_its_middle(tmp_path):
    pixels = np.dstack([np.full((64, 96, 3), 90, np.uint8), RAMP])
    path = write_video(tmp_path, "libvpx-vp9", pixels, frames=12)
    clip = VideoReader(path, selection=FrameSelection.from_config(start="0.2"))
    for _ in range(2):
        with clip:
            frames = list(clip)
        assert len(frames) == 7
        assert np.abs(frames[-1].stored.alpha.astype(int) - RAMP).max() <= 2


@pytest.mark.parametrize(
    ("name", "decoder"), [("o.mov", None), ("o.mkv", None), ("o.webm", "libvpx-vp9"), ("o", None)]
)
def test_the_transparency_of_a_gif_is_kept(tmp_path, name, decoder):
    source = write_gif(tmp_path / "in.gif", hidden=range(6), frames=6)
    clean(source, tmp_path / name)
    if name == "o":
        files = sorted((tmp_path / name).iterdir())
        alphas = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., 3] for file in files]
    else:
        frames = decode(tmp_path / name, decoder)
        alphas = [frame.to_ndarray(format="rgba")[..., 3] for frame in frames]
    assert len(alphas) == 6
    for alpha in alphas:
        assert alpha[:26].min() >= 250 and alpha[34:, :16].max() <= 5


def test_where_a_gif_leaves_its_transparency_a_line_says_so(tmp_path, caplog):
    clean(write_gif(tmp_path / "in.gif", hidden=range(6), frames=6), tmp_path / "o.mp4")
    assert caplog.text.count("its alpha is not kept, only the colours beneath it") == 1


def test_a_gif_that_only_leaves_out_what_stays_has_no_alpha(tmp_path, caplog):
    clip = open_clip(write_gif(tmp_path / "in.gif"))
    assert not clip.info.has_alpha
    assert [frame.stored for frame in clip] == [None] * 40
    assert not caplog.text


def test_alpha_that_is_opaque_everywhere_does_not_count(tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "0.png"), np.full((64, 96, 4), 255, np.uint8))
    assert not open_clip(tmp_path / "in").info.has_alpha


def test_a_codec_or_chroma_that_is_named_wins():
    request = EncodingRequest("h264", source_alpha=True)
    assert choose_encoding(Path("o.mov"), request).name == "h264"
    request = EncodingRequest("ffv1", chroma="420", source_alpha=True)
    assert not choose_encoding(Path("o.mkv"), request).alpha
