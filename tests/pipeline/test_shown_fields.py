from __future__ import annotations

from pathlib import Path

import pytest

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.pipeline.job import Job
from outtake.pipeline.shown_fields import explain_shown_fields
from outtake.pipeline.stitch_clip import Unchanged
from outtake.programs.removal_inputs import expand_mask_path
from outtake.video.read.inputs import VideoInput


@pytest.mark.parametrize(
    ("images", "overrides", "shown", "read_as", "says", "says_not"),
    [
        ((), [], "tff", "auto", "read.fields=tff marks it, read.deinterlace=bwdif makes", "images"),
        # Images take neither.
        ((Path("a/1.png"),), [], "bff", "auto", "bottom field first", "bwdif"),
        ((), ["read.deinterlace=bwdif"], None, "bff", "whole pictures are made", "marks it"),
        ((), ["read.fields=tff"], None, "tff", None, ""),
        ((), [], None, "auto", None, ""),
    ],
)
def test_the_line_names_what_can_be_done(images, overrides, shown, read_as, says, says_not):
    given = ["input=a", "output=b.mkv", "regions=[{box:[1,1,9,9]}]", *overrides]
    values = expand_mask_path(resolve_config(compose("infer_video", given)), "infer_video")
    config = parse(InferVideoConfig, values)
    source = VideoInput(Path("a"), images)
    options = {**vars(config.read), "fields": read_as}
    job = Job(source, Path("b.mkv"), Unchanged(), shown_fields=shown, read_options=options)
    line = explain_shown_fields(config, job)
    if says is None:
        assert line is None
    else:
        assert says in line and says_not not in line
