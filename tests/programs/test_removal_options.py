"""What the options of a removal do together: nothing is lost, nothing is ignored."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import ConfigError, OutputError
from outtake.core.types import TimedFrame
from outtake.pipeline.setup import PipelineParts, build_remover, fingerprint
from outtake.programs import infer_video as app
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.pipeline.square import (
    FRAMES,
    HEIGHT,
    HOLE,
    TIME_BASE,
    WIDTH,
    frames,
    square_parts,
    write_scene,
)


@pytest.fixture
def scene(tmp_path) -> Path:
    return write_scene(tmp_path)


def run(folder: Path, *overrides: str) -> Path:
    asked = [f"input={folder / 'in.mkv'}", f"masks={folder / 'masks.mkv'}", *overrides]
    return app.infer_video(compose("infer_video", asked))[0]


def drawn_one_by_one(folder: Path) -> Path:
    """The masks as a folder of images."""
    masks = folder / "drawn"
    info = VideoInfo(folder, WIDTH, HEIGHT, Fraction(25), TIME_BASE)
    with open_writer(masks, info) as writer:
        for frame in frames(folder / "masks.mkv"):
            writer.write(frame)
    return masks


@pytest.mark.parametrize("given", ["{}", "[{}]", "{}*"])
def test_masks_are_never_written_to_however_they_are_named(scene, given):
    masks = scene / "masks.mkv"
    before = masks.read_bytes()
    with pytest.raises(OutputError, match=f"output {masks} is masks={masks}; name another"):
        run(scene, f"masks={given.format(masks)}", f"output={masks}", "overwrite=true")
    assert masks.read_bytes() == before


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_a_preview_leaves_masks_alone(scene, suffix):
    masks = scene / f"out.preview{suffix}"
    masks.write_bytes((scene / "masks.mkv").read_bytes())
    with pytest.raises(OutputError, match=f"output {masks} is masks="):
        run(scene, f"masks={masks}", f"output={scene / 'out.mp4'}", "preview=true")
    assert masks.read_bytes() == (scene / "masks.mkv").read_bytes()


def test_a_folder_in_which_single_masks_lie_is_never_replaced(scene):
    masks = drawn_one_by_one(scene)
    names = sorted(masks.iterdir())
    for given in (masks, f"{masks}/*.png", f"[{','.join(map(str, names))}]"):
        with pytest.raises(OutputError, match="is masks="):
            run(scene, f"masks={given}", f"output={masks}", "overwrite=true")
    assert sorted(masks.iterdir()) == names


@pytest.mark.parametrize(
    ("remover", "same"), [("remover=solid", True), ("remover=side_by_side", False)]
)
def test_memory_is_part_of_a_job_only_where_it_is_used(scene, remover, same):
    def facts(size: int) -> dict[str, object]:
        places = [f"input={scene / 'in.mkv'}", "output=x", f"masks.path={scene / 'masks.mkv'}"]
        cfg = compose("infer_video", [*places, remover, f"job.max_memory_mb={size}"])
        config = parse(InferVideoConfig, resolve_config(cfg))
        return fingerprint(config, PipelineParts(build_remover(config)))

    assert (facts(100) == facts(200)) is same


@pytest.mark.parametrize("remover", ["side_by_side", "alpha", "clean_plate"])
def test_a_preview_shows_what_the_output_will(scene, remover):
    run(scene, f"output={scene / 'out.mov'}", "preview=true", f"remover={remover}")
    shown = frames(scene / "out.preview.mp4")
    assert len(shown) == FRAMES
    after = shown[4].image[:, -WIDTH:][HOLE].astype(int)
    red = (after[..., 0] > 200) & (after[..., 1] < 60)
    assert not red.any(), "the square is gone"
    assert (scene / "out.preview.png").is_file()


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (["remover=blur"], "Blur"),
        (["remover=blur", "mask.feather=0.02", "mask.grain=1"], "Blur"),
        (["remover=alpha"], "Alpha"),
        (["remover=mask", "preview=true"], "MaskRemover"),
        (["remover=side_by_side", "remover@remover.remover=solid"], "Solid"),
    ],
)
def test_a_provenance_video_of_a_fill_of_unknown_origin_is_refused(scene, asked, name):
    before = sorted(scene.iterdir())
    said = rf"^encode\.provenance_video=true: {name} does not say .*clean_plate"
    with pytest.raises(ConfigError, match=said):
        run(scene, f"output={scene / 'out.mov'}", "encode.provenance_video=true", *asked)
    assert sorted(scene.iterdir()) == before


@pytest.mark.parametrize("size", [(97, 320), (320, 17), (9, 200), (1, 30)])
def test_a_preview_of_a_clip_with_a_short_odd_side_takes_its_masks(tmp_path, size):
    for name in ("in", "masks"):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = np.full((*size, 3), 255 if name == "masks" else 90, np.uint8)
            picture[:, : size[1] // 2] = 0
            cv2.imwrite(str(tmp_path / name / f"{number:05d}.png"), picture)
    run(
        tmp_path, f"input={tmp_path / 'in'}", f"masks={tmp_path / 'masks'}", "remover=solid",
        "remover.colour=[255,255,255]", f"output={tmp_path / 'out'}", "preview=true",
    )  # fmt: skip
    shown = frames(tmp_path / "out.preview.mp4")[0].image.astype(int)
    half = shown.shape[1] // 2
    assert shown[:, : half - 2].max(initial=0) < 40 and shown[:, half + 2 :].min() > 215


@pytest.fixture
def clips(scene, monkeypatch) -> Path:
    """Two clips in a folder of their own, which need no checkpoint."""
    monkeypatch.setattr(app, "build_parts", square_parts)
    (scene / "clips").mkdir()
    for name in ("one", "two"):
        (scene / "clips" / f"{name}.mkv").write_bytes((scene / "in.mkv").read_bytes())
    return scene / "clips"


def clean_all(clips: Path, *overrides: str) -> list[Path]:
    places = [f"input={clips}/*.mkv", f"output={clips.parent / 'clean'}", "remover=solid"]
    places += ["checkpoint=any"]
    return app.infer_video(compose("infer_video", [*places, *overrides]))


def test_the_same_call_again_makes_nothing_anew(clips, capsys):
    made = clean_all(clips)
    before = [path.stat().st_mtime_ns for path in made]
    capsys.readouterr()
    asked = ["encode.codec=h264", "encode.preset=veryfast"]
    assert clean_all(clips, *asked) == made, "what auto stands for"
    assert capsys.readouterr().out.count("exists already") == 2
    assert [path.stat().st_mtime_ns for path in made] == before


@pytest.mark.parametrize(
    ("override", "how"),
    [
        ("encode.crf=40", "made with crf="),
        ("encode.codec=h265", "made with .*codec=libx264"),
        ("encode.preset=slow", "made with preset=veryfast"),
        ("encode.audio=none", "made with audio=auto"),
        ("remover.colour=[9,9,9]", "made of another input, or with another config"),
    ],
)
def test_of_several_clips_none_stays_as_it_was_without_a_word(clips, override, how, caplog):
    made = clean_all(clips)
    (clips.parent / "clean" / "two.mp4").unlink()
    before = made[0].read_bytes()
    with pytest.raises(OutputError, match=r"1 of 2 were not made: one\.mp4"):
        clean_all(clips, override)
    assert re.search(f"one.mp4 exists, {how}.*; set overwrite=true to replace it", caplog.text)
    assert made[0].read_bytes() == before and made[1].is_file()
    clean_all(clips, override, "overwrite=true")
    assert made[0].read_bytes() != before or override == "encode.audio=none"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"job_sha256": "0" * 64}, "made by another version, whose report does not say how"),
        ({}, "and no report beside it says how it was made"),
        ([], "and no report beside it says how it was made"),
    ],
)
def test_what_an_earlier_version_made_is_named_and_kept(clips, left, said, caplog):
    made = clean_all(clips)
    before = made[0].read_bytes()
    (clips.parent / "clean" / "one.report.json").write_text(json.dumps(left))
    with pytest.raises(OutputError, match="1 of 2 were not made"):
        clean_all(clips)
    assert said in caplog.text and made[0].read_bytes() == before


def test_a_report_of_another_output_is_not_replaced(scene):
    run(scene, f"output={scene / 'q.mp4'}", "remover=solid")
    report = (scene / "q.report.json").read_bytes()
    there = sorted(scene.iterdir())
    for name in ("q.mkv", "q"):
        with pytest.raises(OutputError, match=r"is the report of q\.mp4; name another output"):
            run(scene, f"output={scene / name}", "remover=solid")
    assert sorted(scene.iterdir()) == there and (scene / "q.report.json").read_bytes() == report
    run(scene, f"output={scene / 'q.mkv'}", "remover=solid", "overwrite=true")
    assert json.loads((scene / "q.report.json").read_text())["output"] == str(scene / "q.mkv")


def test_of_several_clips_one_whose_report_is_anothers_is_named(clips, caplog):
    made = clean_all(clips)
    made[0].rename(made[0].with_suffix(".mkv"))
    other = clips.parent / "clean" / "one.report.json"
    report = json.loads(other.read_text()) | {"output": "one.mkv"}
    other.write_text(json.dumps(report))
    with pytest.raises(OutputError, match=r"1 of 2 were not made: one\.mp4"):
        clean_all(clips)
    assert "is the report of one.mkv" in caplog.text and json.loads(other.read_text()) == report


@pytest.mark.parametrize("bits", [8, 10])
def test_a_folder_of_images_has_a_folder_of_provenance_beside_it(scene, bits):
    if bits == 10:
        write_with_10_bits(scene / "in.mkv")
    run(scene, f"output={scene / 'out'}", "encode.provenance_video=true")
    pictures, shown = frames(scene / "out"), frames(scene / "out_provenance")
    assert len(pictures) == len(shown) == FRAMES
    assert (pictures[0].image16 is not None) is (bits == 10)
    inside, outside = shown[4].image[HOLE].astype(int), shown[4].image[2:10, 2:60].astype(int)
    assert np.ptp(outside, axis=2).max() == 0, "grey where nothing was filled"
    assert np.ptp(inside, axis=2).mean() > 10, "tinted, also below the key"
    with pytest.raises(OutputError, match="out_provenance already holds 8 images"):
        (scene / "out").rename(scene / "kept")
        run(scene, f"output={scene / 'out'}", "encode.provenance_video=true")
    assert len(frames(scene / "out_provenance")) == FRAMES


def write_with_10_bits(path: Path) -> None:
    """Write a clip again with 10 bits."""
    clip = frames(path)
    info = VideoInfo(path, WIDTH, HEIGHT, Fraction(25), TIME_BASE, bit_depth=10)
    with open_writer(path.with_name("deep.mkv"), info, EncodingRequest(codec="ffv1")) as writer:
        for frame in clip:
            deep = frame.image.astype(np.uint16) * 257
            writer.write(TimedFrame(frame.image, frame.pts, frame.time_base, deep))
    path.with_name("deep.mkv").replace(path)


def test_a_feather_softens_the_right_side_too(scene):
    codec, feather = "encode.codec=ffv1", "mask.feather=0.1"
    alone = run(scene, f"output={scene / 'a.mkv'}", codec, feather, "remover=solid")
    pair = ["remover=side_by_side", "remover@remover.remover=solid"]
    beside = run(scene, f"output={scene / 'b.mkv'}", codec, feather, *pair)
    hard = run(scene, f"output={scene / 'c.mkv'}", codec, *pair)
    for one, two, three in zip(frames(alone), frames(beside), frames(hard), strict=True):
        assert np.array_equal(two.image[:, -WIDTH:], one.image)
        assert not np.array_equal(two.image, three.image)
        assert np.array_equal(two.image[:, : WIDTH + 2], three.image[:, : WIDTH + 2])


@pytest.mark.parametrize("remover", ["alpha", "mask", "side_by_side"])
def test_a_feather_without_a_seam_is_refused(scene, remover):
    pair = ["remover@remover.remover=alpha"] if remover == "side_by_side" else []
    output = [f"output={scene / 'out.mov'}", f"remover={remover}", *pair]
    with pytest.raises(ConfigError, match=r"mask\.feather=0\.01: remover \w+ leaves no fill"):
        run(scene, *output, "mask.feather=0.01")
    assert not list(scene.glob("out*"))
    run(scene, *output)
