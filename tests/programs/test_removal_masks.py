"""A removal of what masks of one's own and regions mark, checked before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from outtake.core.errors import ConfigError, OutputError, VideoError
from outtake.programs import infer_video as app
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.pipeline.square import HEIGHT, WIDTH, frames
from tests.programs.removal_scene import FRAMES, ROOT, run


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ("{}/nothere", "masks=.*nothere: no such file or folder; "),
        ("[{}/masks.mkv,{}/nothere]", "masks=.*nothere: no such file or folder; "),
        ("{}/*.xyz", r"masks=.*\.xyz: no clip: nothing matches"),
        ("[{}/masks.mkv,{}/in.mkv]", r"masks=.*: are 2 clips \(masks\.mkv, in\.mkv\); name one"),
        ("gopher://x", "masks=gopher://x: gopher://x: unknown kind of stream"),
    ],
)
def test_masks_that_are_not_there_name_their_key(scene, masks, message):
    with pytest.raises(VideoError, match=f"^{message}"):
        run(scene, f"masks={masks.format(scene, scene)}", f"output={scene / 'out.mp4'}")
    assert sorted(entry.name for entry in scene.iterdir()) == ["in.mkv", "masks.mkv"]


def test_masks_go_with_the_part_that_they_were_made_of(scene):
    part = frames(scene / "masks.mkv")[10:]
    info = VideoInfo(scene, WIDTH, HEIGHT, Fraction(25), Fraction(1, 12800))
    with open_writer(scene / "part.mkv", info, EncodingRequest(codec="ffv1")) as writer:
        for frame in part:
            writer.write(frame)
    drawn, target = f"masks={scene / 'part.mkv'}", f"output={scene / 'out.mkv'}"
    assert len(frames(run(scene, drawn, target, "read.start=0.4"))) == len(part)
    with pytest.raises(ConfigError, match=r"part\.mkv has 30 masks, and in\.mkv 40 frames; give"):
        run(scene, drawn, f"output={scene / 'other.mkv'}")
    assert not list(scene.glob("other*"))


@pytest.mark.parametrize(
    ("name", "masks", "options", "error"),
    [
        ("in.mp4", 39, [], ConfigError),
        ("in.mp4", 40, [], None),
        ("in.mkv", 38, [], ConfigError),
        ("in.mp4", 38, ["read.start=0.05"], None),
        ("in.mp4", 30, ["read.start=0.05"], ConfigError),
        ("in.mp4", 20, ["read.every=2"], None),
        ("in.mp4", 21, ["read.every=2"], ConfigError),
    ],
)
def test_a_number_of_masks_that_can_not_fit_is_refused_before_work(scene, name, masks, options,
                                                                   error):  # fmt: skip
    info = VideoInfo(scene, WIDTH, HEIGHT, Fraction(25), Fraction(1, 12800))
    with open_writer(scene / "in.mp4", info) as writer:
        for frame in frames(scene / "in.mkv"):
            writer.write(replace(frame, pts=round(frame.pts * frame.time_base * 12800),
                                 time_base=Fraction(1, 12800)))  # fmt: skip
    (scene / "masks").mkdir()
    for index in range(masks):
        cv2.imwrite(str(scene / "masks" / f"{index}.png"), np.eye(HEIGHT, WIDTH) * 255)
    places = [f"input={scene / name}", f"masks={scene / 'masks'}", f"output={scene / 'out.mp4'}"]
    if error is None:
        run(scene, *places, "remover=solid", *options)
        return
    with pytest.raises(error, match="masks"):
        run(scene, *places, "remover=solid", *options)
    assert not list(scene.glob("out*"))


def test_one_picture_is_the_mask_of_every_frame_and_ignored_keys_have_a_line(scene, caplog):
    still = np.zeros((HEIGHT * 2, WIDTH * 2), np.uint8)
    still[:20, :20] = 1
    cv2.imwrite(str(scene / "still.png"), still)
    given = [f"masks={scene / 'still.png'}", "mask.dilate=0.3", "refine=smooth", "remover=solid"]
    with caplog.at_level("INFO", "outtake"):
        made = run(scene, *given, f"output={scene / 'out.mkv'}", "encode.codec=ffv1")
    first, last = (frames(made)[n].image for n in (0, -1))
    assert not first[:10, :10].any() and not last[:10, :10].any() and last[12:, 12:].any()
    said = " ".join(caplog.messages)
    for line in ("values 0, 1: all but 0 is removed", "the mask of every frame", "is reduced to",
                 "mask.dilate=0.3, refine not used beside masks="):  # fmt: skip
        assert line in said, said


def test_a_list_of_jobs_is_checked_as_a_whole_and_each_has_its_masks(scene, capsys):
    given = scene / "list.yaml"
    entries = [
        {"input": str(scene / "in.mkv"), "output": str(scene / name), "masks": str(scene / masks),
         "read.end": 0.4} for name, masks in (("a.mkv", "still.png"), ("b.mkv", "gone"))
    ]  # fmt: skip
    cv2.imwrite(str(scene / "still.png"), np.eye(HEIGHT, WIDTH))
    options = [f"jobs={given}", "remover=solid"]

    def run_list() -> list[Path]:
        given.write_text(json.dumps(entries))
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return app.infer_video(compose("infer_video", overrides=options))

    with pytest.raises(VideoError, match=r"masks=.*gone: no such file or folder"):
        run_list()
    assert not (scene / "a.mkv").exists()
    entries[1] |= {"masks": None, "regions": [{"box": [0, 0, 8, 8]}]}
    made = run_list()
    assert [path.name for path in made] == ["a.mkv", "b.mkv"] and len(frames(made[1])) == 10
    run_list()
    assert capsys.readouterr().out.count("exists already") == 2
    entries[1]["output"] = entries[0]["output"]
    with pytest.raises(OutputError, match=r"two jobs have the output .*a\.mkv"):
        run_list()
    (scene / "sub").mkdir()
    entries[1]["output"] = str(scene / "sub" / ".." / "a.mkv")
    with pytest.raises(OutputError, match=r"two jobs have the output .*a\.mkv"):
        run_list()
    entries[1]["output"] = str(scene / "a.mp4")
    with pytest.raises(OutputError, match=r"two jobs would write .*a\.report\.json; name another"):
        run_list()
    del entries[1]["output"]
    with pytest.raises(ConfigError, match=r"list\.yaml: job 2: output=null: must be a file"):
        run_list()


def test_a_part_between_two_frames_is_no_fault_of_the_masks(scene):
    cv2.imwrite(str(scene / "1.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    cv2.imwrite(str(scene / "2.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    given = [f"masks=[{scene / '1.png'},{scene / '2.png'}]", f"output={scene / 'out.mkv'}"]
    with pytest.raises(VideoError, match=r"read\.end=0\.51: .* has no frame there; it is 1\.600 s"):
        run(scene, *given, "read.start=0.5", "read.end=0.51")


@pytest.mark.parametrize("kind", ["video", "pictures"])
def test_masks_of_the_whole_clip_go_with_any_part_of_it(scene, kind):
    masks = scene / "masks.mkv"
    if kind == "pictures":
        masks = scene / "masks"
        masks.mkdir()
        for number, frame in enumerate(frames(scene / "masks.mkv")):
            moved = np.roll(frame.image, number - 20, axis=1)
            cv2.imwrite(str(masks / f"{number}.png"), moved)
    given = [f"masks={masks}", "remover=mask", "encode.codec=ffv1", "job.segment_frames=3"]
    whole = frames(run(scene, *given, f"output={scene / 'whole.mkv'}"))
    options = ["read.start=0.4", "read.end=1.2", "read.every=2"]
    part = frames(run(scene, *given, f"output={scene / 'part.mkv'}", *options))
    assert len(part) == 10
    for number, frame in enumerate(part):
        assert np.array_equal(frame.image, whole[10 + 2 * number].image)


def test_masks_of_the_whole_clip_go_with_a_part_of_a_file_that_does_not_list_its_frames(
    scene, caplog
):
    """Packets of VP9 are not frames, so which of them are read is found by decoding."""
    info = VideoInfo(scene, WIDTH, HEIGHT, Fraction(25), Fraction(1, 1000))
    with open_writer(scene / "in.webm", info, EncodingRequest(codec="vp9")) as writer:
        for number, frame in enumerate(frames(scene / "in.mkv")[:12]):
            writer.write(replace(frame, pts=40 * number, time_base=Fraction(1, 1000)))
    (scene / "masks").mkdir()
    for number in range(12):
        drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
        drawn[:, : number + 1] = 255
        cv2.imwrite(str(scene / "masks" / f"{number}.png"), drawn)
    with caplog.at_level("INFO", "outtake"):
        made = run(
            scene, f"input={scene / 'in.webm'}", f"masks={scene / 'masks'}", "remover=mask",
            "read.start=0.2", f"output={scene / 'out.mkv'}", "encode.codec=ffv1",
        )  # fmt: skip
    assert "in.webm does not say when its frames are shown: it is decoded once" in caplog.text
    shown = [int((frame.image[0, :, 0] > 128).sum()) for frame in frames(made)]
    assert shown == list(range(6, 13))


@pytest.mark.parametrize("masks", [12, 6, 9])
def test_a_video_of_masks_that_does_not_list_its_frames_is_counted_where_a_part_is_read(
    scene, caplog, masks
):
    info = VideoInfo(scene, WIDTH, HEIGHT, Fraction(25), Fraction(1, 1000))
    shown = frames(scene / "in.mkv")[:12]
    with open_writer(scene / "short.mkv", info, EncodingRequest(codec="ffv1")) as writer:
        for number, frame in enumerate(shown):
            writer.write(replace(frame, pts=40 * number, time_base=Fraction(1, 1000)))
    with open_writer(scene / "masks.webm", info, EncodingRequest(codec="vp9")) as writer:
        for number, frame in enumerate(shown[:masks]):
            image = np.zeros_like(frame.image)
            image[:, : 2 * number + 2] = 255
            writer.write(replace(frame, image=image, pts=40 * number, time_base=Fraction(1, 1000)))
    given = [f"input={scene / 'short.mkv'}", f"masks={scene / 'masks.webm'}", "remover=mask",
             "read.start=0.24", f"output={scene / 'out.mkv'}", "encode.codec=ffv1"]  # fmt: skip
    if masks == 9:
        with pytest.raises(
            ConfigError, match=r"webm has 9 masks, and the clip 12 frames, of which 6"
        ):
            run(scene, *given)
        assert not list(scene.glob("out*"))
        return
    with caplog.at_level("INFO", "outtake"):
        made = run(scene, *given)
    assert "masks.webm does not say when its frames are shown: it is decoded once" in caplog.text
    widths = [int((frame.image[0, :, 0] > 128).sum()) for frame in frames(made)]
    assert widths == [2 * number + 2 for number in range(masks - 6, masks)]


@pytest.mark.parametrize("kind", ["pictures", "cvat"])
def test_masks_of_some_frames_keep_their_numbers_where_a_part_is_read(scene, kind, caplog):
    masks = scene / "masks"
    if kind == "pictures":
        masks.mkdir()
        for number in (2, 7, 13):
            cv2.imwrite(str(masks / f"{number:05d}.png"), np.full((HEIGHT, WIDTH), 255, np.uint8))
    else:
        masks = scene / "masks.xml"
        boxes = "".join(
            f'<box frame="{number}" outside="0" occluded="0" keyframe="1" xtl="0" ytl="0" '
            f'xbr="{WIDTH}" ybr="{HEIGHT}"/><box frame="{number + 1}" outside="1" occluded="0" '
            f'keyframe="1" xtl="0" ytl="0" xbr="{WIDTH}" ybr="{HEIGHT}"/>'
            for number in (2, 7, 13)
        )
        masks.write_text(
            f"<annotations><meta><task><size>{FRAMES}</size><original_size><width>{WIDTH}</width>"
            f"<height>{HEIGHT}</height></original_size></task></meta>"
            f'<track id="0" label="thing">{boxes}</track></annotations>'
        )
    given = [f"masks={masks}", "read.start=0.2", "read.end=0.4", "remover=mask"]
    with caplog.at_level("INFO", "outtake"):
        made = run(scene, *given, f"output={scene / 'out.mkv'}", "encode.codec=ffv1")
    assert [bool(frame.image.any()) for frame in frames(made)] == [n == 7 for n in range(5, 10)]
    assert "are of frames that are not read, and are left out" in caplog.text
    with pytest.raises(ConfigError, match=r"has no mask of the frames that .* select, 15 to 24"):
        run(scene, given[0], "read.start=0.6", "read.end=1", f"output={scene / 'no.mkv'}")


def test_a_job_never_writes_over_the_input_of_another(scene):
    (scene / "other.mkv").write_bytes(before := (scene / "in.mkv").read_bytes())
    entries = [
        {"input": str(scene / "in.mkv"), "output": str(scene / "out.mkv")},
        {"input": str(scene / "other.mkv"), "output": str(scene / "in.mkv")},
    ]
    (scene / "list.yaml").write_text(json.dumps(entries))
    given = [f"jobs={scene / 'list.yaml'}", "regions=[{box:[0,0,8,8]}]", "remover=solid"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("infer_video", overrides=[*given, "overwrite=true"])
    with pytest.raises(OutputError, match=r"output .*in\.mkv is the input"):
        app.infer_video(cfg)
    assert (scene / "in.mkv").read_bytes() == before and not (scene / "out.mkv").exists()


def test_of_several_clips_one_that_a_region_does_not_fit_has_a_line(scene, caplog):
    small = VideoInfo(scene, 16, 16, Fraction(25), Fraction(1, 12800))
    with open_writer(scene / "small.mkv", small, EncodingRequest(codec="ffv1")) as writer:
        for frame in frames(scene / "in.mkv")[:2]:
            writer.write(replace(frame, image=np.ascontiguousarray(frame.image[:16, :16])))
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("infer_video", overrides=[
            f"input=[{scene / 'in.mkv'},{scene / 'small.mkv'}]", f"output={scene / 'clean'}",
            "regions=[{box:[20,0,8,8]}]", "remover=solid", "read.end=0.2",
        ])  # fmt: skip
    with pytest.raises(ConfigError, match=r"1 of 2 were not made: small\.mp4"):
        app.infer_video(cfg)
    assert "regions[0].box=[20,0,8,8]: holds no pixel of the clip, which is 16x16" in caplog.text
    assert (scene / "clean" / "in.mp4").exists()


def test_regions_need_neither_checkpoint_nor_masks(scene):
    region = "regions=[{box:[0,0,8,8],from:0.4,to:0.8}]"
    given = ["masks=null", region, "remover=solid", "encode.codec=ffv1"]
    made = frames(run(scene, *given, f"output={scene / 'out.mkv'}"))
    shown = [not frame.image[:8, :8].any() for frame in made]
    assert shown == [10 <= n < 20 for n in range(FRAMES)]
    with pytest.raises(ConfigError, match=r"regions\[0\]\.box=\[900,0,8,8\]: holds no pixel"):
        run(scene, "masks=null", "regions=[{box:[900,0,8,8]}]", f"output={scene / 'no.mkv'}")


def test_a_region_of_the_part_that_is_read_is_not_late(scene, caplog):
    # The clip has 1.6 s, of which the last 0.6 are read; times count from its first frame.
    for begin, late in ((1.2, False), (1.7, True)):
        caplog.clear()
        given = f"regions=[{{box:[2,2,9,9],from:{begin}}}]"
        run(
            scene, given, "read.start=1", f"output={scene / 'out.mkv'}", "remover=solid",
            "overwrite=true", "masks=null",
        )  # fmt: skip
        assert ("regions[0].from: the region begins" in caplog.text) == late


def test_a_painted_frame_goes_with_a_preview_and_is_checked_before_work(scene, caplog):
    painted = scene / "clean.png"
    cv2.imwrite(str(painted), frames(scene / "in.mkv")[4].image[..., ::-1])
    target = f"output={scene / 'out.mkv'}"
    run(scene, target, f"remover.painted={painted}@00:59", "preview=true")
    assert "remover.painted[0]:" in caplog.text and "is of 59 s, and what is read" in caplog.text
    cv2.imwrite(str(painted), np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8))
    for more in ([], ["preview=true"]):
        with pytest.raises(ConfigError, match=r"^remover\.painted: .*clean\.png is "):
            run(scene, target, f"remover.painted=[{painted}@0]", *more, "overwrite=true")
    assert not (scene / "out.mkv").exists()
