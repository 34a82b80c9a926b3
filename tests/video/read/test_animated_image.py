from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe
from outtake.video.write.video_writer import open_writer

DURATIONS = [40, 40, 120, 40, 500]


@pytest.fixture(params=["a.png", "a.webp"])
def animation(request, tmp_path):
    return draw(tmp_path / request.param)


def draw(path: Path, channels: int = 3) -> Path:
    pictures = [
        Image.fromarray(np.full((48, 64, channels), 40 * (number + 1), np.uint8))
        for number in range(5)
    ]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=DURATIONS, lossless=True
    )
    return path


def test_all_of_its_pictures_are_read_each_as_long_as_it_says(animation, tmp_path):
    clip = open_clip(animation)
    with clip, open_writer(tmp_path / "o.mp4", clip.info) as writer:
        frames = list(clip)
        for frame in frames:
            writer.write(frame)
    assert [frame.pts for frame in frames] == [0, 40, 80, 200, 240]
    assert [int(frame.image.mean()) for frame in frames] == [40, 80, 120, 160, 200]
    assert frames[-1].last_frame_duration == 500
    assert clip.info.frames == 5 and clip.info.duration_s == 0.74
    assert probe(tmp_path / "o.mp4").duration_s == pytest.approx(0.74)


def test_a_part_is_selected_by_time(animation):
    part = open_clip(animation, start=0.08, end=0.22)
    assert [frame.pts * frame.time_base for frame in part] == [Fraction(8, 100), Fraction(2, 10)]
    assert len(list(open_clip(animation, every=2))) == 3
    assert open_clip(animation).digest() != ""


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_alpha_is_known(tmp_path, name):
    assert open_clip(draw(tmp_path / name, 4)).info.has_alpha
    assert not open_clip(draw(tmp_path / f"b{name}")).info.has_alpha


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_alpha_that_is_opaque_in_all_pictures_does_not_count(tmp_path, name):
    opaque, hidden = (Image.new("RGBA", (64, 48), (90, 9, 0, alpha)) for alpha in (255, 40))
    other = Image.new("RGBA", (64, 48), (9, 90, 0, 255))
    opaque.save(tmp_path / name, save_all=True, append_images=[other], lossless=True)
    clip = open_clip(tmp_path / name)
    assert not clip.info.has_alpha and clip.info.pix_fmt == "rgb24"
    assert [frame.stored for frame in clip] == [None, None]
    opaque.save(tmp_path / name, save_all=True, append_images=[hidden], lossless=True)
    clip = open_clip(tmp_path / name)
    assert clip.info.has_alpha
    assert [frame.stored.alpha.min() for frame in clip] == [255, 40]


def test_one_of_several_images_is_said_to_be_animated(tmp_path, caplog):
    draw(tmp_path / "1.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "2.png")
    assert len(list(open_clip(tmp_path))) == 2
    assert caplog.text.count("1.png holds several pictures, and the first is read; name") == 1


def test_pages_of_a_tiff_that_are_not_read_have_their_line(tmp_path, caplog):
    page = Image.new("RGB", (64, 48))
    page.save(tmp_path / "1.tif", save_all=True, append_images=[page, page])
    page.save(tmp_path / "2.tif")
    assert len(list(open_clip(tmp_path))) == 2
    assert caplog.text.count("1.tif holds several pictures, and the first is read; store") == 1
    caplog.clear()
    list(open_clip(tmp_path / "2.tif"))
    assert not caplog.records


def test_damage_is_one_line(tmp_path):
    whole = draw(tmp_path / "a.webp").read_bytes()
    (tmp_path / "b.webp").write_bytes(whole[:-40])
    with pytest.raises(VideoError, match=r"b\.webp"):
        list(open_clip(tmp_path / "b.webp"))
