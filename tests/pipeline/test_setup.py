"""What decides about frames, and so about which finished segments can be used again."""

import pytest

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import ConfigError
from outtake.pipeline.setup import PipelineParts, build_remover, fingerprint
from outtake.removal.feather import FeatherRemover
from outtake.removal.field_remover import remove_by_fields
from outtake.removal.grain import GrainRemover
from outtake.removal.side_by_side import SideBySide


def config_of(*overrides: str) -> InferVideoConfig:
    given = ["input=in.mp4", "output=out.mp4", "masks.path=m.mkv", "remover=blur", *overrides]
    return parse(InferVideoConfig, resolve_config(compose("infer_video", given)))


def fingerprint_of(*overrides: str) -> dict:
    config = config_of(*overrides)
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
        ("mask.grain=1", False),
    ],
)
def test_a_safety_limit_decides_about_no_frame(override: str, same: bool) -> None:
    assert (fingerprint_of() == fingerprint_of(override)) == same


@pytest.mark.parametrize(
    ("overrides", "given"),
    [
        (["remover=clean_plate"], True),
        (["remover=exemplar"], True),
        (["remover=inpaint"], True),
        (["remover=smooth"], True),
        (["remover=clean_plate", "mask.grain=0"], False),
        (["remover=blur"], False),
        (["remover=solid"], False),
        (["remover=mask"], False),
        (["remover=alpha"], False),
        (["remover=blur", "mask.grain=0.5"], True),
    ],
)
def test_a_fill_that_shows_a_background_gets_grain(overrides: list[str], given: bool) -> None:
    assert isinstance(build_remover(config_of(*overrides)), GrainRemover) == given


def test_grain_comes_before_the_soft_seam() -> None:
    beside = build_remover(config_of("remover=side_by_side", "mask.feather=0.01"))
    assert isinstance(beside, SideBySide)
    assert isinstance(beside.remover, FeatherRemover)
    assert isinstance(beside.remover.remover, GrainRemover)


def test_what_finishes_a_fill_keeps_the_name_of_the_remover() -> None:
    remover = build_remover(config_of("remover=clean_plate", "mask.feather=0.01"))
    assert remove_by_fields(remover, "tff", 48, 64).name == remover.name == "CleanPlate"
    assert build_remover(config_of("remover=side_by_side")).name == "SideBySide"


@pytest.mark.parametrize(
    ("options", "widest"),
    [
        (["mask.feather=0.03"], "mask.dilate=0.02"),
        (
            ["mask.feather=0.015", "mask.foreground=person"],
            "half of mask.dilate=0.02 .mask.foreground.",
        ),
    ],
)
def test_a_feather_stays_within_what_masks_grow(options: list[str], widest: str) -> None:
    network = ["masks.path=null", "checkpoint=runs/one", "remove=car", "mask.dilate=0.02"]
    with pytest.raises(ConfigError, match=f"^{options[0]}: wider than {widest}, so"):
        config_of(*network, *options)
    config_of(*network, *options, "mask.feather=0.01")
    config_of(*options)  # masks of one's own are as they are


def test_grain_has_a_range() -> None:
    with pytest.raises(ConfigError, match=r"mask\.grain=3: must be a number from 0 to 2, or auto"):
        config_of("mask.grain=3")
