"""What decides about frames, and so about which finished segments can be used again."""

import pytest

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.pipeline.setup import PipelineParts, build_remover, fingerprint


def fingerprint_of(*overrides: str) -> dict:
    given = ["input=in.mp4", "output=out.mp4", "masks.path=m.mkv", "remover=blur", *overrides]
    config = parse(InferVideoConfig, resolve_config(compose("infer_video", given)))
    return fingerprint(config, PipelineParts(build_remover(config)))


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("read.limits.timeout_s=60", True),
        ("read.limits.max_pixels=90000000", True),
        ("read.limits.max_frames=null", True),
        ("read.limits.max_duration_s=60", True),
        ("read.every=2", False),
        ("read.start=1", False),
    ],
)
def test_a_safety_limit_decides_about_no_frame(override: str, same: bool) -> None:
    assert (fingerprint_of() == fingerprint_of(override)) == same
