from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.core.errors import OutputError, OuttakeError
from outtake.programs import stitch as stitch_program
from outtake.programs.stitch import BackgroundRecord, explain, stitch
from outtake.removal.stitching.stitcher import BackgroundStitcher
from outtake.video.interlacing import FieldMarker
from outtake.video.read.inputs import VideoInput
from tests.removal.clean_plate.clips import hide
from tests.removal.stitching.test_stitcher import HEIGHT, WIDTH, panning
from tests.video.read.test_detect_fields import weave

COUNT = 12


@pytest.fixture
def clip(tmp_path) -> Path:
    truths, masks = panning(COUNT)
    for name in ("frames", "masks"):
        (tmp_path / name).mkdir()
    for t, (truth, mask) in enumerate(zip(truths, masks, strict=True)):
        shown = np.where(mask[..., None], np.uint8(255), truth)
        cv2.imwrite(str(tmp_path / f"frames/{t:03}.png"), shown[..., ::-1])
        cv2.imwrite(str(tmp_path / f"masks/{t:03}.png"), mask.astype(np.uint8) * 255)
    return tmp_path


def run(folder: Path, *overrides: str) -> Path:
    given = [f"input={folder / 'frames'}", f"output={folder / 'background'}", *overrides]
    return stitch(compose("stitch", given))


def test_a_picture_and_the_camera_of_each_frame_are_written(clip, capsys):
    output = run(clip, f"masks={clip / 'masks'}")
    assert "12 frames, 1 picture, written to" in capsys.readouterr().out
    assert sorted(path.name for path in output.iterdir()) == ["cameras.json", "shot_001.png"]
    (record,) = json.loads((output / "cameras.json").read_text())["pictures"]
    picture = cv2.imread(str(output / "shot_001.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (record["height"], record["width"], 4)
    assert [each["frame"] for each in record["frames"]] == list(range(COUNT))
    truth, last = panning(COUNT)[0][-1], record["frames"][-1]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    shown = cv2.warpPerspective(picture, np.array(last["to_picture"]), (WIDTH, HEIGHT), flags=flags)
    seen = shown[..., 3] == 255
    assert np.abs(shown[seen][:, 2::-1].astype(int) - truth[seen]).mean() < 3


def test_a_shot_with_a_flash_is_one_picture_and_comes_first(clip):
    for t in (6, 7):
        white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
        cv2.imwrite(str(clip / f"frames/{t:03}.png"), white)
    output = run(clip, f"masks={clip / 'masks'}")
    pictures = json.loads((output / "cameras.json").read_text())["pictures"]
    found = [(one["file"], len(one["frames"])) for one in pictures]
    assert found == [("shot_001.png", COUNT - 2), ("shot_002.png", 2)]


def test_an_earlier_one_is_replaced_only_if_that_is_asked_for(clip):
    masks = f"masks={clip / 'masks'}"
    output = run(clip, masks)
    (output / "shot_009.png").write_bytes(b"of an earlier clip")
    before = (output / "shot_001.png").read_bytes()
    with pytest.raises(OutputError, match="exists; name another folder, or set overwrite=true"):
        run(clip, masks, "samples=3")
    assert (output / "shot_001.png").read_bytes() == before
    run(clip, masks, "samples=3", "overwrite=true")
    assert (output / "shot_001.png").read_bytes() != before
    assert not (output / "shot_009.png").exists()


def test_nothing_that_is_read_or_another_has_made_is_written_over(clip):
    def digest():
        return {path: path.read_bytes() for path in clip.rglob("*.png")}

    os.replace(clip / "frames/003.png", clip / "frames/shot_001.png")
    (clip / "mine").mkdir()
    (clip / "mine/shot_001.png").write_bytes(b"a still of mine")
    before, masks = digest(), f"masks={clip / 'masks'}"
    for folder, message in (
        ("frames", r"pictures that are read lie there \(input=\)"),
        ("masks", r"pictures that are read lie there \(masks=\)"),
        ("mine", r"shot_001\.png exists; name another folder"),
    ):
        overwrite = "overwrite=false" if folder == "mine" else "overwrite=true"
        given = [masks, f"output={clip / folder}", overwrite]
        with pytest.raises(OutputError, match=message):
            run(clip, *given)
        with pytest.raises(OutputError, match=message):
            stitch(compose("stitch", [f"input={clip / 'frames'}", *given]))
    assert digest() == before


def test_other_pictures_in_the_folder_stay(clip):
    (clip / "v1.2").mkdir()  # a folder that is there may have a point in its name
    for name in ("shot_reference.png", "shot_007.png", "shot_002_part_02.png"):
        (clip / "v1.2" / name).write_bytes(b"x")
    run(clip, f"masks={clip / 'masks'}", f"output={clip / 'v1.2'}", "overwrite=true")
    names = sorted(path.name for path in (clip / "v1.2").iterdir())
    assert names == ["cameras.json", "shot_001.png", "shot_reference.png"]


def test_a_picture_and_its_record_are_written_together(tmp_path, monkeypatch):
    record = BackgroundRecord(tmp_path, VideoInput(Path("clip.mp4")))
    background = next(BackgroundStitcher()([hide(panning(1)[0][0], panning(1)[1][0])]))
    save = stitch_program._save_picture

    def save_and_interrupt(path, picture):
        save(path, picture)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(stitch_program, "_save_picture", save_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        record.add(background)
    (written,) = json.loads((tmp_path / "cameras.json").read_text())["pictures"]
    assert (tmp_path / written["file"]).is_file()
    assert record.describe().startswith("1 picture of shots that had ended is in")


def test_a_picture_of_nothing_is_told():
    nothing = next(BackgroundStitcher()([hide(panning(1)[0][0], np.ones((HEIGHT, WIDTH), bool))]))
    assert explain("shot_001.png", nothing) == [
        "shot_001.png: is transparent: all is removed in every frame of it"
    ]


def test_a_camera_that_travels_is_told(clip, caplog):
    dice = np.random.default_rng(0)
    near = dice.integers(0, 255, (30, 4 * WIDTH, 3), dtype=np.uint8)
    near = cv2.resize(near[::6, ::6], (4 * WIDTH, 30), interpolation=cv2.INTER_NEAREST)
    for t in range(COUNT):
        path = str(clip / f"frames/{t:03}.png")
        picture = cv2.imread(path)
        picture[60:90] = near[:, 9 * t : 9 * t + WIDTH]
        cv2.imwrite(path, picture)
    run(clip, f"masks={clip / 'masks'}")
    assert "the camera travels, or much moves" in caplog.text


def test_what_lies_before_damage_is_written(clip, capsys):
    whole = (clip / "frames/008.png").read_bytes()
    (clip / "frames/008.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OuttakeError, match=r"008\.png"):
        run(clip, f"masks={clip / 'masks'}")
    (record,) = json.loads((clip / "background/cameras.json").read_text())["pictures"]
    assert [each["frame"] for each in record["frames"]] == list(range(8))
    assert (clip / "background/shot_001.png").is_file()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "checkpoint has no value: set checkpoint="),
        (["masks={}/nothing"], "nothing: no such file or folder"),
        (["masks={}/masks", "remove=[car]"], "masks= says already what is removed"),
        (["masks={}/masks", "output={}/plate.png"], "name a folder, without .png"),
        (["masks={}/masks", "samples=0"], "samples"),
        (["masks={}/masks", "input=-"], "input=-: standard input goes with outtake infer-video"),
        (["masks={}/masks", "max_memory_mb=0"], "max_memory_mb"),
        (["masks={}/masks", "max_memory_mb=9999999999"], "max_memory_mb"),
        (["regions=[{{box:[500,500,9,9]}}]"], "holds no pixel of the clip, which is 144x96"),
    ],
)
def test_what_cannot_work_is_said_in_a_line(clip, overrides, message):
    given = [f"input={clip / 'frames'}", f"output={clip / 'background'}"]
    cfg = compose("stitch", [*given, *(each.format(clip) for each in overrides)])
    with pytest.raises(OuttakeError, match=message) as caught:
        stitch(cfg)
    assert "\n" not in str(caught.value)
    assert not (clip / "background").exists()


def test_an_interlaced_clip_has_to_be_made_progressive(tmp_path):
    truths, _ = panning(COUNT)
    marker = FieldMarker("tff")
    with av.open(str(tmp_path / "clip.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for truth in truths:
            frame = av.VideoFrame.from_ndarray(truth, format="rgb24").reformat(format="yuv420p")
            file.mux(stream.encode(marker.mark(frame)))
        file.mux(stream.encode())
    given = [f"input={tmp_path / 'clip.mkv'}", f"output={tmp_path / 'background'}",
             "regions=[{box:[10,10,20,20]}]"]  # fmt: skip
    with pytest.raises(OuttakeError, match=r"two moments each; set read\.deinterlace=bwdif"):
        stitch(compose("stitch", given))
    assert stitch(compose("stitch", [*given, "read.deinterlace=bwdif"])).is_dir()


def test_a_clip_that_looks_interlaced_has_to_be_made_progressive(clip, caplog):
    moments, _ = panning(28, speed=1.0)
    woven = [weave(*pair, "tff") for pair in zip(moments[::2], moments[1::2], strict=True)]
    with av.open(str(clip / "woven.mkv"), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for picture in woven:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            file.mux(stream.encode(frame.reformat(format="bgr0")))
        file.mux(stream.encode())
    pictures = []
    box = "regions=[{box:[10,10,20,20]}]"
    for name, choice in (("seen", "auto"), ("said", "tff")):
        given = [f"input={clip / 'woven.mkv'}", f"output={clip / name}", box, "read.end=0.44"]
        if choice == "auto":
            with pytest.raises(OuttakeError, match=r"looks .*; set read\.deinterlace=bwdif, or"):
                stitch(compose("stitch", given))
        given += [f"read.fields={choice}", "read.deinterlace=bwdif"]
        pictures.append((stitch(compose("stitch", given)) / "shot_001.png").read_bytes())
    assert pictures[0] == pictures[1]
    told = "looks interlaced, its top field first, and is not marked so: whole pictures are made"
    assert caplog.text.count(told) == 1


def test_images_that_look_interlaced_are_given_a_way_that_they_have(tmp_path):
    (tmp_path / "frames").mkdir()
    moments, _ = panning(28, speed=1.0)
    for t, pair in enumerate(zip(moments[::2], moments[1::2], strict=True)):
        cv2.imwrite(str(tmp_path / f"frames/{t:03}.png"), weave(*pair, "tff")[..., ::-1])
    with pytest.raises(OuttakeError, match=r"make a video of them and set read\.deinterlace"):
        run(tmp_path, "regions=[{box:[10,10,20,20]}]")
