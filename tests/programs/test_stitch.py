from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.core.errors import OutputError, OuttakeError
from outtake.programs.stitch import check_inputs, stitch
from outtake.video.interlacing import FieldMarker
from tests.removal.stitching.test_stitcher import HEIGHT, WIDTH, panning

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
    ],
)
def test_what_cannot_work_is_said_in_a_line(clip, overrides, message):
    given = [f"input={clip / 'frames'}", f"output={clip / 'background'}"]
    cfg = compose("stitch", [*given, *(each.format(clip) for each in overrides)])
    with pytest.raises(OuttakeError, match=message) as caught:
        check_inputs(cfg)
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
