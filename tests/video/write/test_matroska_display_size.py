from fractions import Fraction

import av
import pytest

from outtake.video.write.matroska_display_size import set_display_size
from tests.video.moving_scene import describe, shallow, write


@pytest.mark.parametrize("name", ["o.mkv", "o.webm"])
@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(12, 11), Fraction(2)])
def test_pixel_aspect_in_matroska_leaves_a_file_that_checks_out(tmp_path, name, aspect):
    info = describe(tmp_path, sample_aspect_ratio=aspect)
    path = write(tmp_path / name, info, shallow(), codec="vp9")
    strict = {"err_detect": "crccheck+explode"}
    with av.open(str(path), options=strict) as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect
        assert sum(1 for _ in container.decode(video=0)) == 6
        container.seek(0)
        assert next(container.decode(video=0)).pts == 0


def test_what_is_no_matroska_file_stays_as_it_was(tmp_path):
    (tmp_path / "junk.mkv").write_bytes(b"no matroska at all")
    assert not set_display_size(tmp_path / "junk.mkv", 128, 64)
    assert (tmp_path / "junk.mkv").read_bytes() == b"no matroska at all"
