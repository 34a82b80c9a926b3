"""EXR and DPX, in and out."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import OutputError, VideoError
from outtake.core.frames import fill_hole
from outtake.core.types import StoredPicture, TimedFrame
from outtake.video.colour import ColourTags, from_rgb
from outtake.video.linear_light import decode_srgb, encode_srgb
from outtake.video.read.clip import open_clip
from outtake.video.read.decode_film_image import read_film_image
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.encode_film_image import _encode, encode_dpx, encode_exr
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.image_folder import choose_image_codec
from outtake.video.write.video_writer import open_writer

HOLE = np.s_[10:20, 12:30]


def light(name: str, precision: str) -> bytes:
    """An EXR with light from below 0 to 12 times white."""
    frame = av.VideoFrame(48, 32, name)
    rng = np.random.default_rng(2)
    for plane in frame.planes:
        values = rng.normal(1, 3, (32, plane.line_size // 4)).astype(np.float16)
        plane.update(values.astype(np.float32).tobytes())
    return _encode(frame, "exr", {"compression": "zip1", "format": precision})


def read_light(path) -> np.ndarray:
    decoder = av.CodecContext.create("exr", "r")
    frame = [*decoder.decode(av.Packet(path.read_bytes())), *decoder.decode(None)][0]
    kind = np.float16 if "f16" in frame.format.name else np.float32
    return np.stack(
        [np.frombuffer(plane, kind).reshape(plane.height, -1)[:, :48] for plane in frame.planes]
    ).astype(np.float32)


def copy_with_hole(source, target, **options) -> list[str]:
    clip = open_clip(source)
    with clip, open_writer(target, clip.info, EncodingRequest(**options)) as writer:
        for frame in clip:
            image = frame.image.copy()
            hole = np.zeros(image.shape[:2], bool)
            hole[HOLE] = True
            image[hole] = 128
            writer.write(fill_hole(frame, image, hole))
    return sorted(path.name for path in target.iterdir())


@pytest.mark.parametrize("precision", ["half", "float"])
def test_light_outside_the_hole_is_that_of_the_source(tmp_path, precision):
    (tmp_path / "in").mkdir()
    for number in (998, 999):
        (tmp_path / "in" / f"sh010.{number:04d}.exr").write_bytes(light("gbrpf32le", precision))
    names = copy_with_hole(tmp_path / "in", tmp_path / "out")
    assert names == ["sh010.0998.exr", "sh010.0999.exr"]
    before, after = (read_light(tmp_path / folder / names[0]) for folder in ("in", "out"))
    assert before.max() > 5 and before.min() < 0
    outside = np.ones((32, 48), bool)
    outside[HOLE] = False
    assert np.array_equal(after[:, outside], before[:, outside])
    assert np.allclose(after[:, ~outside], 0.2159, atol=2e-3), "grey as it is seen, as light"


@pytest.mark.parametrize("pix_fmt", ["gbrp10le", "gbrp12le", "rgb48le"])
def test_dpx_is_kept_to_the_last_bit(tmp_path, pix_fmt):
    image = np.random.default_rng(1).integers(0, 65536, (32, 48, 3), np.uint16)
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "0001.dpx"
    source.write_bytes(_encode(from_rgb(image, pix_fmt, ColourTags()), "dpx", {}))
    assert copy_with_hole(tmp_path / "in", tmp_path / "out") == ["0001.dpx"]
    before, after = (next(iter(open_clip(path))) for path in (source, tmp_path / "out/0001.dpx"))
    assert open_clip(source).info.bit_depth == {"gbrp10le": 10, "gbrp12le": 12}.get(pix_fmt, 16)
    outside = np.ones((32, 48), bool)
    outside[HOLE] = False
    assert np.array_equal(before.image16[outside], after.image16[outside])
    assert (after.image[HOLE] == 128).all()


@pytest.mark.parametrize(("codec", "kind"), [("exr", "gbrapf"), ("dpx", "rgba64")])
def test_alpha_is_written(codec, kind):
    image = np.zeros((16, 24, 4), np.uint8)
    image[..., 3] = 51
    frame = TimedFrame(image, 0, Fraction(1, 25))
    data = encode_exr(frame) if codec == "exr" else encode_dpx(frame, 10)
    decoder = av.CodecContext.create(codec, "r")
    made = [*decoder.decode(av.Packet(data)), *decoder.decode(None)][0]
    assert made.format.name.startswith(kind)


def test_all_images_of_a_dpx_sequence_keep_alpha(tmp_path):
    (tmp_path / "in").mkdir()
    for number, alpha in enumerate((65535, 20000)):
        image = np.full((32, 48, 4), alpha, np.uint16)
        data = _encode(from_rgb(image, "rgba64le", ColourTags()), "dpx", {})
        (tmp_path / "in" / f"{number}.dpx").write_bytes(data)
    for name in copy_with_hole(tmp_path / "in", tmp_path / "out"):
        made, given = (
            read_film_image(tmp_path / folder / name, SafetyLimits()) for folder in ("out", "in")
        )
        assert made.pix_fmt == given.pix_fmt == "rgba64le"
        assert np.array_equal(made.stored.alpha, given.stored.alpha)


def test_what_an_exr_among_other_images_loses_is_said(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "1.png"), np.zeros((32, 48, 3), np.uint8))
    (tmp_path / "in" / "2.exr").write_bytes(light("gbrpf32le", "half"))
    assert copy_with_hole(tmp_path / "in", tmp_path / "out") == ["1.png", "2.png"]
    assert "light above white is cut off" in caplog.text
    assert "2.exr: its 16 bits become 8, as 1.png has" in caplog.text


def test_an_exr_hides_what_its_source_hides(tmp_path):
    image = np.full((32, 48, 4), 255, np.uint8)
    image[:8, :, 3] = 51  # removed
    hidden = np.ones((32, 48), np.float16)
    hidden[:, :10] = 0.5
    stored = StoredPicture("", (), image[..., :3], None, hidden)
    (tmp_path / "a.exr").write_bytes(
        encode_exr(TimedFrame(image, 0, Fraction(1, 25), stored=stored))
    )
    alpha = read_light(tmp_path / "a.exr")[3]
    assert np.allclose(alpha[:8], 0.2, atol=1e-3)
    assert np.allclose(alpha[8:, :10], 0.5) and np.allclose(alpha[8:, 10:], 1)


def test_light_above_white_does_not_show_through_a_white_fill(tmp_path):
    white = np.full((32, 48, 3), 255, np.uint8)
    lamp = np.full((32, 48), 7, np.float32)
    hole = np.zeros((32, 48), bool)
    hole[HOLE] = True
    deep = white * np.uint16(257)
    stored = StoredPicture("gbrpf32le", (lamp, lamp, lamp), white, deep, filled=hole)
    frame = TimedFrame(white, 0, Fraction(1, 25), deep, stored=stored)
    (tmp_path / "a.exr").write_bytes(encode_exr(frame))
    light_written = read_light(tmp_path / "a.exr")
    assert np.allclose(light_written[:, hole], 1, atol=1e-3)
    assert np.allclose(light_written[:, ~hole], 7)


def test_srgb_and_light_are_inverse():
    values = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(encode_srgb(decode_srgb(values)), values)
    odd = np.array([-1, 0, 1, 7, np.nan, np.inf], np.float16)
    assert encode_srgb(odd).tolist() == encode_srgb(odd.astype(np.float32)).tolist()
    assert encode_srgb(odd).tolist()[:4] == [0, 0, 65535, 65535]


def test_the_kind_of_images_is_chosen(tmp_path):
    assert choose_image_codec(tmp_path, "auto", (tmp_path / "a.EXR",)) == "exr"
    assert choose_image_codec(tmp_path, "auto", (tmp_path / "a.jpg",)) == "png"
    assert choose_image_codec(tmp_path, "dpx") == "dpx"
    with pytest.raises(
        OutputError, match=r"a folder of images; name a video, or use encode\.codec="
    ):
        choose_image_codec(tmp_path, "h264")


def test_images_become_exr_if_asked_for(tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "7.png"), np.full((32, 48, 3), 255, np.uint8))
    assert copy_with_hole(tmp_path / "in", tmp_path / "out", codec="exr") == ["7.exr"]
    assert read_light(tmp_path / "out" / "7.exr")[:, 0, 0].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["a.exr", "a.dpx"])
def test_damage_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 30)
    with pytest.raises(VideoError, match=rf"cannot read image .*{name}: it is damaged"):
        open_clip(tmp_path / name)
