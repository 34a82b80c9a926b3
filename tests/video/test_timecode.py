from fractions import Fraction

import pytest

from outtake.video.timecode import advance_timecode

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("text", "frames", "fps", "every", "expected"),
    [
        ("10:00:00:00", 250, Fraction(25), 1, "10:00:10:00"),
        ("23:59:59:24", 1, Fraction(25), 1, "00:00:00:00"),
        ("10:00:00:49", 0, Fraction(50), 2, "10:00:00:24"),
        ("00:00:59;29", 1, NTSC, 1, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, 1, "00:10:00;00"),
        ("01:00:00;00", 107892, NTSC, 1, "02:00:00;00"),
        ("00:00:59:29", 1, NTSC, 1, "00:01:00:00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), 1, "00:01:00;04"),
        ("00:00:59;29", 1, NTSC, 2, "00:01:00:01"),
        ("00:00:59;59", 1, Fraction(60000, 1001), 2, "00:01:00;02"),
        ("at noon", 5, Fraction(25), 1, "at noon"),
    ],
)
def test_a_later_frame_has_a_later_timecode(text, frames, fps, every, expected):
    assert advance_timecode(text, frames, fps, every) == expected


def test_dropped_numbers_are_never_given():
    given = [advance_timecode("00:00:00;00", frame, NTSC) for frame in range(0, 40000)]
    assert len(set(given)) == len(given)
    assert not any(text[6:] in ("00;00", "00;01") and text[4] != "0" for text in given)
