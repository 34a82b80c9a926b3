from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from outtake.core.errors import ConfigError
from outtake.masking.regions import Region
from outtake.pipeline.job import Job
from outtake.removal.effects import Solid
from outtake.removal.inpaint import Inpaint
from outtake.video.interlacing import FieldOrder
from outtake.video.read.probe import VideoInfo

INFO = VideoInfo(Path("in.mkv"), 60, 40, Fraction(25), Fraction(1, 25), duration_s=2.0)


class Whole(Solid):
    """Says which fields it was asked about."""

    def check_clip(self, info: VideoInfo) -> tuple[str, ...]:
        return (f"asked about {info.field_order}",)


def check(*regions: Region, shown_fields: FieldOrder | None = None) -> tuple[str, ...]:
    job = Job("in.mkv", Path("out.mkv"), Whole(), regions=regions, shown_fields=shown_fields)
    return job.check_clip(INFO)


def test_a_remover_is_asked_about_the_fields_that_are_shown() -> None:
    assert check() == ("asked about None",)
    assert check(shown_fields="bff") == ("asked about bff",)


def test_a_job_whose_fill_is_of_unknown_origin_has_no_provenance_video() -> None:
    with pytest.raises(ConfigError, match=r"^encode\.provenance_video=true"):
        Job("in.mkv", Path("out.mkv"), Solid(), provenance_video=True)
    assert Job("in.mkv", Path("out.mkv"), Inpaint(), provenance_video=True).provenance_video


def test_regions_are_checked_by_their_numbers() -> None:
    inside, beside = Region((0, 0, 9, 9)), Region((60, 0, 9, 9))
    with pytest.raises(ConfigError, match=r"^regions\[1\]\.box=.*holds no pixel"):
        check(inside, beside)
    late, _ = check(Region((0, 0, 9, 9), start_s=Fraction(3)))
    assert late.startswith("regions[0].from: the region begins at 3 s")
