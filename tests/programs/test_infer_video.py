from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image
from torch import nn
from torch.nn import functional as F

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.core.errors import ConfigError, DeviceError, OutputError, UnknownClassError, VideoError
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.data.sample_range import SampleRange
from outtake.masking.policy import MaskPolicy
from outtake.pipeline import network_setup
from outtake.pipeline.job import WriteOptions
from outtake.pipeline.remove_from_video import remove_from_video
from outtake.programs import infer_video as app
from outtake.programs.command_line import run_program
from outtake.programs.entry_points import PROGRAMS
from outtake.removal.inpaint import Inpaint
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer
from tests.tiers import keep_few

ROOT = Path(__file__).parents[2]
SPACE = LabelSpace.from_names(("background", "ball"))


class SeesRed(nn.Module):
    """A network with a known answer: what is red is the ball."""

    labels = SPACE

    def predict(self, images, size=None, *, flip=False):
        red, green, blue = images.float().unbind(1)
        score = (red - torch.maximum(green, blue) - 60)[:, None] / 8
        logits = torch.cat([-score, score], 1)
        if size is None:
            return logits
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


@pytest.fixture
def trained(monkeypatch) -> SimpleNamespace:
    found = SimpleNamespace(
        task=SeesRed().eval(),
        labels=SPACE,
        short_side=None,
        channels=3,
        sha256="0" * 64,
        config={},
        sample_range=None,
        further_inputs=(),
        refine=None,
        clip=None,
        describe=dict,
    )
    monkeypatch.setattr(
        network_setup, "load_one_or_several", lambda place, device, label_map: found
    )
    return found


@pytest.fixture
def video(tmp_path) -> Path:
    """A red ball that rolls over a green lawn."""
    path = tmp_path / "in.mp4"
    info = VideoInfo(tmp_path, 96, 64, Fraction(25), Fraction(1, 12800))
    with open_writer(path, info) as writer:
        for index in range(24):
            image = np.full((64, 96, 3), (40, 120, 60), np.uint8)
            rows, columns = np.ogrid[:64, :96]
            image[(rows - 32) ** 2 + (columns - 12 - 3 * index) ** 2 < 64] = (220, 20, 20)
            writer.write(TimedFrame(image, index * 512 + index % 3 * 50, Fraction(1, 12800)))
    return path


def run(*overrides: str) -> Path:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        asked = ["checkpoint=any", "backend=torch", *overrides]
        [target] = app.infer_video(compose("infer_video", overrides=asked))
        return target


def frames(path: Path) -> list[TimedFrame]:
    with open_clip(path) as clip:
        return list(clip)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_ball_is_gone_and_nothing_else(trained, video, tmp_path):
    target = run(
        f"input={video}", f"output={tmp_path / 'out.mp4'}", "remove=[ball]", "mask.dilate=0.06"
    )
    before, after = frames(video), frames(target)
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    for frame in after:
        assert (np.abs(frame.image.astype(int) - (40, 120, 60)) < 30).all()
    assert names(tmp_path) == ["in.mp4", "out.mp4", "out.report.json"]


@pytest.mark.parametrize("size", [(160, 1), (1, 160)])
def test_a_strip_one_pixel_high_takes_no_more_than_any_clip(trained, tmp_path, size):
    (tmp_path / "in").mkdir()
    Image.new("RGB", size, (40, 120, 60)).save(tmp_path / "in" / "0.png")
    seen = []
    predict = trained.task.predict
    trained.task.predict = lambda images, *rest, **options: (
        seen.append(tuple(images.shape[2:])) or predict(images, *rest, **options)
    )
    trained.short_side = 64
    target = run(f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}", "remove=ball")
    assert seen and {max(shape) for shape in seen} == {1024}
    assert frames(target)[0].image.shape == (size[1], size[0], 3)


def test_refined_labels_are_those_of_any_segments(trained, video, tmp_path):
    """Each frame is refined by itself, so that neither segments nor batches change its mask."""
    shown = {}
    for name, asked in {
        "whole": ["refine=smooth"],
        "pieces": ["refine=smooth", "job.segment_frames=5", "network.batch_size=3"],
        "plain": [],
    }.items():
        target = tmp_path / f"{name}.mkv"
        run(f"input={video}", f"output={target}", "remove=ball", "remover=mask", "mask.vote=0",
            "encode.codec=ffv1", *asked)  # fmt: skip
        shown[name] = np.stack([frame.image for frame in frames(target)])
        report = json.loads((tmp_path / f"{name}.report.json").read_text())
        assert report["config"]["refine"].get("sigma") == (None if name == "plain" else 6)
    assert np.array_equal(shown["whole"], shown["pieces"])
    assert not np.array_equal(shown["whole"], shown["plain"])


def test_the_report_says_what_was_done(trained, video, tmp_path):
    run(f"input={video}", f"output={tmp_path / 'out.mkv'}", "remove=ball", "encode.codec=ffv1")
    report = json.loads((tmp_path / "out.report.json").read_text())
    assert report["frames"] == len(report["per_frame"]["hole_share"]) == 24
    assert report["removed_classes"] == ["ball"] and report["remover"] == "CleanPlate"
    assert 0.03 < report["hole_share"]["mean"] < 0.08
    assert set(report["stage_s"]) == {"decode", "predict", "mask", "remove", "encode"}
    assert report["config"]["mask"]["dilate"] == 0.017
    assert {"observed", "propagated", "synthesised"} <= set(report["fill"])
    assert len(report["per_frame"]["synthesised"]) == 24
    assert {"outtake", "torch", "av", "opencv"} <= set(report["versions"])


@pytest.mark.parametrize("remover", ["inpaint", "blur", "pixelate", "solid", "overlay", "mask"])
def test_every_remover_runs_from_the_command_line(trained, video, tmp_path, remover):
    target = run(
        f"input={video}",
        f"output={tmp_path / 'out'}",
        f"remover={remover}",
        "keep_only=[background]",
    )
    assert len(names(target)) == 24
    first = frames(target)[0].image
    if remover == "mask":
        assert set(np.unique(first)) == {0, 255} and first[32, 12].all() and not first[5, 80].any()


def test_the_help_names_every_remover():
    help_text = (ROOT / "conf" / "hydra" / "help" / "infer_video.yaml").read_text()
    listed = re.search(r"^ *remover: (.*)$", help_text, re.MULTILINE)
    options = {file.stem for file in (ROOT / "conf" / "remover").glob("*.yaml")}
    assert listed and set(listed[1].split(", ")) == options


def test_images_go_in_and_out(trained, video, tmp_path):
    run(f"input={video}", f"output={tmp_path / 'a'}", "remover=overlay", "remover.legend=false")
    run(f"input={tmp_path / 'a'}", f"output={tmp_path / 'b.mp4'}", "remove=ball", "read.fps=10")
    assert [float(frame.pts * frame.time_base) for frame in frames(tmp_path / "b.mp4")] == (
        pytest.approx([index / 10 for index in range(24)])
    )


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ([], ConfigError, r"nothing to remove: set remove=\[CLASS,.*background, ball"),
        (["remove=[balls]"], UnknownClassError, r"did you mean 'ball'.*background, ball"),
        (["remove=[ball]", "keep_only=[ball]"], ConfigError, "exclude each other"),
        (["remove=[ball]", "mask.dilate=3"], ConfigError, r"mask\.dilate=3"),
        (["remove=[ball]", "+mask.dilat=3"], ConfigError, r"mask\.dilat: .*mean mask\.dilate\?"),
        (
            ["remove=[ball]", "encode.audio=louder"],
            ConfigError,
            "encode.audio=louder: must be auto, copy, aac, opus, flac, mp3, ac3 or none",
        ),
        (["remove=[ball]", "network.batch_size=0"], ConfigError, "network.batch_size=0"),
        (
            ["remove=[ball]", "remover=inpaint", "remover.method=magic"],
            ConfigError,
            "unknown; use telea, ns",
        ),
        (["remove=[ball]", "encode.codec=vp8"], OutputError, "encode.codec=vp8: unknown"),
        (["remove=[ball]", "device=abacus"], DeviceError, "use auto, cpu or cuda"),
        (["remove=[ball]", "device=null"], ConfigError, "device=null: must be auto, cpu, cuda or"),
        (
            ["remove=[ball]", "network.window=256.0"],
            ConfigError,
            r"network\.window=256\.0: must be a side or \[HEIGHT,WIDTH\]",
        ),
        (
            ["remove=[ball]", "network.window=abc"],
            ConfigError,
            r"network\.window=abc: must be a side or \[HEIGHT,WIDTH\]",
        ),
        (["remove=[ball]", "backend.threads=-1"], ConfigError, "threads=-1: must be a whole"),
        (
            ["remove=[ball]", "read.fps=inf"],
            ConfigError,
            r"read\.fps=inf: must be a number of .*above",
        ),
        (
            ["remove=[ball]", "remover=inpaint", "remover.radius_px=2.5"],
            ConfigError,
            "radius_px=2.5: must be a whole number, at least 1",
        ),
        (
            ["remove=[ball]", "remover.reach_frames=10.5"],
            ConfigError,
            "reach_frames=10.5: must be a whole number, at least 1 and at most 64",
        ),
        (["remove=[ball]", "+remover.ring=wide"], ConfigError, "ring=wide: must be a number"),
        (
            ["remove=[ball]", "remover=side_by_side", "remover.divider_px=1.5"],
            ConfigError,
            "divider_px=1.5: must be a whole number, at least 0",
        ),
    ],
)
def test_what_can_not_work_says_why_and_leaves_nothing(
    trained, video, tmp_path, overrides, error, message
):
    with pytest.raises(error, match=message):
        run(f"input={video}", f"output={tmp_path / 'out.mp4'}", *overrides)
    assert names(tmp_path) == ["in.mp4"]


def test_a_truncated_input_gives_an_error_and_no_output(trained, video, tmp_path):
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(VideoError, match="truncated"):
        run(f"input={video}", f"output={tmp_path / 'out.mp4'}", "remove=[ball]")
    assert names(tmp_path) == ["in.mp4"]


def test_an_old_output_survives_an_error(trained, video, tmp_path):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match="overwrite=true"):
        run(f"input={video}", f"output={target}", "remove=[ball]")
    with pytest.raises(ConfigError, match="did not give one frame for each"):
        remove_from_video(
            trained, video, target, remover=LosesOne(), policy=MaskPolicy([1]),
            write_options=WriteOptions(overwrite=True),
        )  # fmt: skip
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["in.mp4", "out.mp4", "out.mp4.part", "out.partial.mp4"]


class LosesOne(Inpaint):
    def __call__(self, clip):
        frames = super().__call__(clip)
        next(frames)
        return frames


def test_audio_goes_along(trained, video, tmp_path):
    source = tmp_path / "sound.mp4"
    with av.open(str(video)) as film, av.open(str(source), "w") as output:
        picture = output.add_stream_from_template(film.streams.video[0], opaque=True)
        tone = output.add_stream("aac", rate=48000)
        for packet in film.demux(film.streams.video[0]):
            if packet.size:
                packet.stream = picture
                output.mux(packet)
        for start in range(0, 48000, 960):
            wave = np.sin(np.arange(start, start + 960) / 20).astype(np.float32)[None].repeat(2, 0)
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            output.mux(tone.encode(frame))
        output.mux(tone.encode(None))
    target = run(f"input={source}", f"output={tmp_path / 'out.mp4'}", "remove=ball")

    def sound(path: Path) -> list[tuple[int, bytes]]:
        with av.open(str(path)) as container:
            packets = container.demux(container.streams.audio[0])
            return [(packet.pts, bytes(packet)) for packet in packets if packet.size]

    assert len(sound(source)) > 40 and sound(target) == sound(source)


class Interrupted(Inpaint):
    """Sends this process a signal at the tenth frame."""

    def __init__(self, sent: str) -> None:
        super().__init__()
        self._sent = signal.Signals[sent]

    def __call__(self, clip):
        for index, frame in enumerate(super().__call__(clip)):
            if index == 9:
                time.sleep(1)  # so that some of them are encoded
                os.kill(os.getpid(), self._sent)
            yield frame


def remove_until_a_signal() -> None:
    """Stand for a program that gets a clip, an output and the name of a signal."""
    _, clip, target, sent = sys.argv
    trained = SimpleNamespace(
        task=SeesRed(), labels=SPACE, short_side=None, channels=3, sha256="", config={},
        sample_range=None, further_inputs=(), refine=None, clip=None, describe=dict,
    )  # fmt: skip
    remover, policy = Interrupted(sent), MaskPolicy([1])
    run_program(lambda: remove_from_video(trained, clip, target, remover=remover, policy=policy))


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    keep_few(
        [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")],
        [("SIGTERM", 143, "terminated")],
    ),
)
def test_a_signal_has_its_exit_code_and_says_what_is_kept(
    video, tmp_path, tmp_path_factory, monkeypatch, sent, code, said
):
    monkeypatch.setitem(PROGRAMS, "infer-video", remove_until_a_signal)
    given = [str(video), str(tmp_path / "out.mp4"), sent]
    printed = tmp_path_factory.mktemp("printed") / "here"
    done = ForkedProgram("infer_video", given, tmp_path, printed).finish()
    assert done.returncode == code, done.stderr
    assert re.search(rf"^{said}; \d frames \(0\.\d s\) are kept in .*$", done.stderr, re.MULTILINE)
    assert names(tmp_path) == ["in.mp4", "out.mp4.part", "out.partial.mp4"]
    assert 1 <= len(frames(tmp_path / "out.partial.mp4")) <= 9


@pytest.mark.parametrize(
    ("trained_range", "said"),
    [
        (SampleRange(0, 4095), "0 becomes black and 4095 white, all of their depth"),
        (SampleRange(0, 2048), "of the frames, 0.0% and 50.0% of full scale"),
        (SampleRange(-2, 2, of_floats=True), "which no video's depth compares with"),
    ],
)
def test_the_range_of_training_is_that_of_the_frames(
    trained, video, tmp_path, caplog, trained_range, said
):
    trained.sample_range = trained_range
    seen = []
    predict = trained.task.predict
    trained.task.predict = lambda images, *rest, **options: (
        seen.append(int(images.max())) or predict(images, *rest, **options)
    )
    with caplog.at_level("INFO", "outtake"):
        run(f"input={video}", f"output={tmp_path / 'o'}", "remove=ball", "remover=solid",
            "read.end=0.1")  # fmt: skip
    assert caplog.text.count("of the training images") == 1 and said in caplog.text
    brightest = max(seen)
    assert brightest == 255 if "50.0%" in said else 200 < brightest < 240
