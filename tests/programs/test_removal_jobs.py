"""A removal as a job: resumed, interrupted, damaged, previewed, spread over workers."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from outtake.core.errors import (
    ConfigError,
    OutOfMemoryError,
    OutputError,
    OuttakeError,
    VideoError,
)
from outtake.core.types import TimedFrame
from outtake.pipeline import removal_preview
from outtake.pipeline.ray_workers import split_segments
from outtake.programs import infer_video as app
from outtake.removal.effects import Blur
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.pipeline.square import HEIGHT, HOLE, WIDTH, frames
from tests.programs.removal_scene import FRAMES, ROOT, figures, run, same, start


def test_a_deep_source_has_16_bits_as_png_with_and_without_alpha(scene):
    info = VideoInfo(scene, WIDTH, HEIGHT, Fraction(25), Fraction(1, 12800), bit_depth=10)
    with open_writer(scene / "deep.mkv", info, EncodingRequest(codec="ffv1")) as writer:
        for frame in frames(scene / "in.mkv")[:3]:
            deep = (frame.image * np.uint16(257)) ^ np.uint16(64)  # more than 8 bits can tell
            writer.write(TimedFrame(frame.image, frame.pts, frame.time_base, deep))
    with (
        open_clip(scene / "masks.mkv") as masks,
        open_writer(scene / "three.mkv", masks.info, EncodingRequest(codec="ffv1")) as writer,
    ):
        for frame in frames(scene / "masks.mkv")[:3]:
            writer.write(frame)
    files = (f"input={scene / 'deep.mkv'}", f"masks={scene / 'three.mkv'}")
    shown = {}
    for remover in ("alpha", "blur"):
        folder = run(scene, *files, f"remover={remover}", f"output={scene / remover}")
        shown[remover] = cv2.imread(str(folder / "00001.png"), cv2.IMREAD_UNCHANGED)
    assert {image.dtype for image in shown.values()} == {np.dtype(np.uint16)}
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[HOLE] = False
    assert np.array_equal(shown["alpha"][outside][:, :3], shown["blur"][outside])
    assert (shown["alpha"][..., 3] == np.where(outside, 65535, 0)).all()
    assert (shown["alpha"][..., :3] % 257).any(), "8 bits only"


def test_masks_need_no_checkpoint_and_the_square_is_gone(scene):
    target = run(scene, f"output={scene / 'out.mkv'}", "encode.codec=ffv1")
    before, after = frames(scene / "in.mkv"), frames(target)
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    for old, new in zip(before, after, strict=True):
        inside = np.zeros((HEIGHT, WIDTH), bool)
        inside[HOLE] = True
        assert np.array_equal(old.image[~inside], new.image[~inside])
        red = (new.image[inside] == (255, 0, 0)).all(axis=1)
        assert not red.any()
    report = json.loads((scene / "out.report.json").read_text())
    assert report["frames"] == FRAMES and report["fill"]["observed"] > 0.8


def test_segments_leave_no_trace_in_what_each_frame_shows(scene):
    whole = run(scene, f"output={scene / 'a.mkv'}", "encode.codec=ffv1", "remover=inpaint",
                "job.segment_frames=1000")  # fmt: skip
    parts = run(scene, f"output={scene / 'b.mkv'}", "encode.codec=ffv1", "remover=inpaint",
                "job.segment_frames=7")  # fmt: skip
    assert same(whole, parts)


def test_a_killed_job_goes_on_and_gives_the_same_frames(scene):
    whole = run(scene, f"output={scene / 'whole.mp4'}")
    target = scene / "killed.mp4"
    dice, killed = random.Random(0), 0
    while killed < 2:
        job = start(scene, f"printed-{killed}", f"output={target}")
        deadline = time.monotonic() + 120
        wanted = killed + dice.randint(1, 2)
        while job.poll() is None and time.monotonic() < deadline:
            if len(list(scene.glob("killed.mp4.part/[0-9][0-9][0-9][0-9][0-9].mkv"))) >= wanted:
                break
            time.sleep(0.02)
        job.kill()
        killed += 1
        if target.exists():
            break
    there = len(list(scene.glob("killed.mp4.part/[0-9][0-9][0-9][0-9][0-9].mkv")))
    assert there or target.exists()
    if not target.exists():
        run(scene, f"output={target}")
        report = json.loads((scene / "killed.report.json").read_text())
        assert report["frames"] == FRAMES
        assert report["frames_made_now"] <= FRAMES - 8
    assert same(whole, target)
    assert figures(whole) == figures(target)
    assert not (scene / "killed.mp4.part").exists()


def test_another_config_starts_afresh(scene):
    target = scene / "out.mp4"
    folder = scene / "out.mp4.part"
    cut = scene / "cut.mkv"
    cut.write_bytes((scene / "in.mkv").read_bytes())
    job = start(scene, "printed", f"output={target}", "read.limits.max_frames=20").finish()
    assert job.returncode == 2 and "read.limits.max_frames" in job.stderr and not folder.exists()


def test_damage_in_the_middle_keeps_what_was_good(scene):
    source = scene / "in.mkv"
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    source.write_bytes(data)
    target = scene / "out.mp4"
    with pytest.raises(VideoError) as caught:
        run(scene, f"output={target}")
    message = str(caught.value)
    assert "\n" not in message and not target.exists()
    if "are kept in" in message:
        kept = frames(scene / "out.partial.mp4")
        assert 0 < len(kept) < FRAMES


@pytest.mark.full
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(scene):
    target = scene / "out.mp4"
    job = start(scene, "printed", f"output={target}", "job.segment_frames=4")
    deadline = time.monotonic() + 120
    while job.poll() is None and time.monotonic() < deadline:
        if list(scene.glob("out.mp4.part/[0-9][0-9][0-9][0-9][0-9].mkv")):
            break
        time.sleep(0.01)
    job.send_signal(signal.SIGINT)
    done = job.finish(60)
    if done.returncode == 0:
        pytest.skip("the job was through before the signal came")
    assert done.returncode == 130, done.stderr
    assert "interrupted; " in done.stderr and "out.partial.mp4" in done.stderr
    kept = frames(scene / "out.partial.mp4")
    assert 4 <= len(kept) < FRAMES and not target.exists()
    run(scene, f"output={target}", "job.segment_frames=4")
    whole = run(scene, f"output={scene / 'whole.mp4'}", "job.segment_frames=4")
    assert same(whole, target) and not (scene / "out.partial.mp4").exists()


@pytest.mark.parametrize("ends", [MemoryError, torch.OutOfMemoryError])
def test_full_memory_says_what_is_kept_and_how_to_go_on(scene, monkeypatch, ends):
    whole = run(scene, f"output={scene / 'whole.mp4'}", "remover=blur")
    blur = Blur.__call__

    def full(self, clip):
        for filled in blur(self, clip):
            if filled.frame.pts * filled.frame.time_base == Fraction(20, 25):
                raise ends("Unable to allocate 9 GiB")
            yield filled

    target = scene / "out.mp4"
    with monkeypatch.context() as patch, pytest.raises(OutOfMemoryError) as caught:
        patch.setattr(Blur, "__call__", full)
        run(scene, f"output={target}", "remover=blur")
    said = str(caught.value)
    assert said.startswith("out of memory (Unable to allocate 9 GiB): ") and "\n" not in said
    assert all(key in said for key in ("max_memory_mb", "batch_size", "short_side", "window"))
    assert "are kept in" in said and said.endswith("resumes after the first 16")
    assert caught.value.exit_code == 66 and 16 <= len(frames(scene / "out.partial.mp4")) < 21
    run(scene, f"output={target}", "remover=blur")
    assert same(whole, target)


@pytest.mark.parametrize(
    ("segment_frames", "resume", "said"),
    [
        (8, "true", r"[0-9.]+ s\) are kept in .*; the same command resumes after the first 16"),
        (20, "true", r"20 frames \(0.8 s\) are kept in .*; the same command resumes there"),
        (50, "true", "kept in .*; no segment is complete, so the same command starts at the first "
         "frame"),
        (8, "false", r"are kept in [^;]*"),
    ],
)  # fmt: skip
def test_what_is_promised_of_the_same_command_is_so(scene, monkeypatch, segment_frames, resume,
                                                    said):  # fmt: skip
    blur = Blur.__call__

    def stopped(self, clip):
        for filled in blur(self, clip):
            if filled.frame.pts * filled.frame.time_base == Fraction(20, 25):
                raise OutputError("the disk is full")
            yield filled

    monkeypatch.setattr(Blur, "__call__", stopped)
    options = [f"job.segment_frames={segment_frames}", f"job.resume={resume}", "remover=blur"]
    with pytest.raises(OutputError) as caught:
        run(scene, f"output={scene / 'out.mp4'}", *options)
    assert re.fullmatch(f"the disk is full; .*{said}", str(caught.value)), caught.value


def test_a_job_that_may_replace_its_output_goes_on_too(scene, monkeypatch, caplog):
    """As the studio starts it; count_kept_frames of the studio reads what is there."""
    (scene / "out.mp4").write_bytes(b"an earlier result")
    options = [f"output={scene / 'out.mp4'}", "overwrite=true", "remover=blur"]
    with monkeypatch.context() as patch:
        blur = Blur.__call__

        def stopped(self, clip):
            for filled in blur(self, clip):
                if filled.frame.pts * filled.frame.time_base == Fraction(20, 25):
                    raise KeyboardInterrupt
                yield filled

        patch.setattr(Blur, "__call__", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(scene, *options)
    assert (scene / "out.mp4").read_bytes() == b"an earlier result"
    kept = sorted(path.name for path in (scene / "out.mp4.part").glob("*.statistics.json"))
    assert kept == ["00000.statistics.json", "00001.statistics.json"]
    with caplog.at_level("INFO"):
        run(scene, *options)
    assert "resumes after 16 frames" in caplog.text and len(frames(scene / "out.mp4")) == FRAMES
    assert not (scene / "out.mp4.part").exists()


def test_nothing_is_promised_where_repeating_does_not_help(scene):
    short = scene / "short.mkv"
    info = VideoInfo(scene, WIDTH, HEIGHT, Fraction(25), Fraction(1, 12800))
    with open_writer(short, info, EncodingRequest(codec="ffv1")) as writer:
        for frame in frames(scene / "masks.mkv")[:30]:
            writer.write(frame)
    with pytest.raises(VideoError, match="masks end before frame 30") as caught:
        run(scene, f"masks={short}", f"output={scene / 'out.mp4'}", "remover=blur", "read.end=100")
    assert "are kept in" in str(caught.value) and "same command" not in str(caught.value)


def test_a_preview_is_small_and_leaves_the_output_alone(scene):
    run(scene, f"output={scene / 'out.mp4'}", "preview=true")
    names = sorted(entry.name for entry in scene.iterdir())
    made = ["out.preview.mp4", "out.preview.png", "out.preview.report.json"]
    assert names == ["in.mkv", "masks.mkv", *made]
    assert len(frames(scene / "out.preview.mp4")) == FRAMES
    assert (scene / "out.preview.png").stat().st_size < 400_000


def test_a_preview_of_a_time_is_what_the_whole_removal_has_there(scene, monkeypatch):
    monkeypatch.setattr(removal_preview, "SECONDS_AROUND", 0.5)
    run(scene, f"output={scene / 'out.mp4'}", "job.segment_frames=40")
    whole = frames(scene / "out.mp4")
    for at, first in (("0:00.1", 0), ("1.2", 24), ("1.55", 28)):
        run(scene, f"output={scene / 'out.mp4'}", f"preview='{at}'", "overwrite=true")
        report = json.loads((scene / "out.preview.report.json").read_text())
        shown = frames(scene / "out.preview.mp4")
        assert (report["first_frame"], report["frames"], len(shown)) == (first, 12, 12)
        for here, there in zip(shown, whole[first:], strict=False):
            apart = np.abs(here.image.astype(int) - there.image)
            assert max(apart.mean(), apart[HOLE].mean()) < 12, "a frame aside: 45"


@pytest.mark.parametrize(("at", "said"), [("0:09", "no frame there"), ("soon", "give seconds")])
def test_a_preview_of_no_time_is_one_line(scene, at, said):
    with pytest.raises(OuttakeError, match=f"preview=.*{said}") as caught:
        run(scene, f"output={scene / 'out.mp4'}", f"preview='{at}'")
    assert "\n" not in str(caught.value) and len(list(scene.iterdir())) == 2


def test_a_preview_says_what_the_report_would_warn_of(scene, caplog):
    folder = scene / "black"
    folder.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"{number:03d}.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    run(scene, f"masks={folder}", f"output={scene / 'out.mp4'}", "preview=true")
    assert f"nothing was removed: the masks of all {FRAMES} frames are empty" in caplog.text


def test_a_provenance_video_has_a_frame_for_each(scene):
    target = run(scene, f"output={scene / 'out.mp4'}", "encode.provenance_video=true")
    shown = frames(scene / "out.provenance.mp4")
    assert [frame.pts for frame in shown] == [frame.pts for frame in frames(target)]
    outside = shown[20].image[2:10, 2:60].astype(int)
    # Where nothing was filled it is grey; where something was, it is not.
    assert np.ptp(outside[..., :2], axis=2).mean() < 12


def test_several_videos_go_into_one_folder(scene):
    (scene / "two.mkv").write_bytes((scene / "in.mkv").read_bytes())
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose(
            "infer_video",
            overrides=[
                f"input=[{scene / 'in.mkv'},{scene / 'two.mkv'}]", f"output={scene / 'clean'}",
                f"masks={scene / 'masks.mkv'}",
            ],
        )  # fmt: skip
    with pytest.raises(ConfigError, match=r"masks= goes with one input; .* jobs=LIST\.yaml"):
        app.infer_video(cfg)
    sources = app.expand_inputs([str(scene / "in.mkv"), str(scene / "two.mkv")])
    assert app.output_paths(str(scene / "clean"), sources) == [
        scene / "clean" / "in.mp4", scene / "clean" / "two.mp4",
    ]  # fmt: skip
    with pytest.raises(OutputError, match="one file for 2 inputs"):
        app.output_paths("clean.mp4", sources)
    with pytest.raises(OutputError, match="two inputs would become"):
        app.output_paths("clean", [sources[0], sources[0]])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["remove=[car]"], r"masks= says already what is removed; leave out remove="),
        (["job.segment_frames=0"], "job.segment_frames=0: must be a whole number"),
        (["job.workers=-1"], "job.workers=-1"),
        (["job.resume=maybe"], "job.resume=maybe: must be true or false"),
        (["mask.feather=2"], "mask.feather=2"),
        (["masks=null"], "checkpoint has no value"),
    ],
)
def test_what_can_not_work_says_why(scene, overrides, message):
    with pytest.raises(ConfigError, match=message):
        run(scene, f"output={scene / 'out.mp4'}", *overrides)
    assert sorted(entry.name for entry in scene.iterdir()) == ["in.mkv", "masks.mkv"]


def test_ranges_cover_a_clip_and_end_open():
    assert split_segments(10, 4) == [(0, 2), (2, 5), (5, 7), (7, None)]
    assert split_segments(1, 8) == [(0, None)]
    assert split_segments(3, 8) == [(0, 1), (1, 2), (2, None)]


@pytest.mark.slow
def test_two_workers_make_the_frames_of_one_process(scene):
    pytest.importorskip("ray", reason="ray is not installed")
    whole = run(scene, f"output={scene / 'one.mkv'}", "encode.codec=ffv1")
    options = [f"output={scene / 'two.mkv'}", "encode.codec=ffv1", "job.workers=2"]
    job = start(scene, "printed", *options).finish(280)
    assert job.returncode == 0, job.stderr[-2000:]
    assert same(whole, scene / "two.mkv")
    assert figures(whole) == figures(scene / "two.mkv")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("mask.feather=abc", "mask.feather=abc: must be a number"),
        ("encode.crf=abc", "encode.crf=abc: must be a whole number, at least 0 or null"),
        ("network.batch_size=abc", "network.batch_size=abc"),
        ("mask.dilate=null", "mask.dilate=null"),
        ("mask.threshold=abc", "mask.threshold=abc"),
        ("mask=null", "mask=null: must be a group"),
        ("read.limits=null", "read.limits=null: must be a group"),
        ("+read.limits.foo=3", "read.limits.foo: no such config key; allowed are max_duration_s"),
        ("overwrite=maybe", "overwrite=maybe: must be true or false"),
        ("job.workers=true", "job.workers=true: must be a whole number"),
        ("network.scales=2", "network.scales=2: must be a list"),
        ("output=null", "output=null: must be a file"),
        ("input=[]", r"^input=\[\]: must be a file, a folder"),
        ("masks=[]", r"^masks\.path=\[\]: must be a file, a folder"),
        ("masks=''", r"^masks\.path=: must be a file, a folder"),
        ("masks=true", r"^masks\.path=true: must be a file, a folder"),
        ("masks=[a.mkv,null]", r"^masks\.path=\[a\.mkv,null\]: must be a file, a folder"),
        ("regions=[{box:[1,2]}]", r"^regions\[0\]\.box=\[1, 2\]: must be \[x,y"),
        ("regions=3", "^regions=3: must be a list of"),
        ("+codec=ffv1", r"codec: no such config key; did you mean encode\.codec\?"),
        ("job.max_memory_mb=0", "job.max_memory_mb=0"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line(scene, override, message):
    with pytest.raises(ConfigError, match=message):
        run(scene, f"output={scene / 'out.mp4'}", override)


@pytest.mark.parametrize(
    ("remover", "option", "message"),
    [
        *[("solid", f"colour={value}", f"colour={re.escape(said)}: must be three numbers")
          for value, said in [("red", "red"), ("5", "5"), ("null", "None"), ("[1,2]", "[1, 2]"),
                              ("[a,b,c]", "['a', 'b', 'c']"), ("[true,0,0]", "[True, 0, 0]"),
                              ("[0,0,256]", "[0, 0, 256]")]],
        ("blur", "strength=abc", "strength=abc: must be above 0 and at most 1"),
        ("pixelate", "block=[1]", r"block=\[1\]: must be above 0"),
        ("overlay", "opacity=red", "opacity=red: must be a number, at least 0 and at most 1"),
        ("alpha", "soft_edge=wide", "soft_edge=wide: must be a number, at least 0 and at most 1"),
        ("replace", "path=5", "path=5: must name a file"),
    ],
)  # fmt: skip
def test_an_option_of_a_remover_of_the_wrong_kind_is_named(scene, remover, option, message):
    with pytest.raises(ConfigError, match=rf"^remover\.{message}"):
        run(scene, f"output={scene / 'out.mov'}", f"remover={remover}", f"remover.{option}")


def test_a_file_that_the_remover_shows_is_part_of_the_job(scene):
    import cv2

    backdrop = scene / "behind.png"
    digests = []
    for colour in (0, 200):
        cv2.imwrite(str(backdrop), np.full((8, 8, 3), colour, np.uint8))
        run(scene, f"output={scene / 'out.mp4'}", "remover=replace", f"remover.path={backdrop}",
            "overwrite=true")  # fmt: skip
        digests.append(json.loads((scene / "out.report.json").read_text())["job_sha256"])
    assert digests[0] != digests[1]


def test_what_is_read_is_never_written_to(scene):
    masks = (scene / "masks.mkv").read_bytes()
    with pytest.raises(OutputError, match="masks"):
        run(scene, f"output={scene / 'masks.mkv'}", "overwrite=true")
    assert (scene / "masks.mkv").read_bytes() == masks
