"""What ``make studio-demo`` says of masks and of a clean clip."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from benchmarks.studio import demo
from outtake.core.types import TimedFrame
from outtake.data.scenes import Scenes
from outtake.programs.demo import write_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

FRAMES = 4


def test_true_masks_and_a_street_without_people_score_as_such(tmp_path):
    truth = Scenes(seed=0, height=96, width=160).clip("test", demo.SCENE, FRAMES)
    write_clip(truth, tmp_path / "clip.mp4")
    project = tmp_path / "project"
    for name in ("proposals", "results"):
        (project / name).mkdir(parents=True)
    info = VideoInfo(tmp_path, 160, 96, truth.fps, 1 / truth.fps)
    request = EncodingRequest(crf=1)
    with open_writer(project / "results/clean.mp4", info, request) as writer:
        for number in range(FRAMES):
            mask = demo.find_people(truth, number).astype(np.uint8) * 255
            if number == 1:
                mask[:, : mask.shape[1] // 2] = 0
            cv2.imwrite(str(project / f"proposals/{number:05d}.png"), mask)
            image = truth.frame(number, without=(demo.REMOVED,)).image
            writer.write(TimedFrame(image, number, Fraction(1, truth.fps)))
    figures = demo.score(truth, project, [0])
    assert figures["j_worst"] < figures["j"] < 1, "half of a frame's people are missing"
    assert figures["psnr_hole_db"] > 30 > 25 > figures["psnr_hole_before_db"]
    assert demo.score(truth, project, [0, 1])["j_worst"] == 1


def test_without_a_browser_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "BROWSER", None)
    monkeypatch.setattr("sys.argv", ["demo", "--output", str(tmp_path / "demo")])
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 2 and capsys.readouterr().out.count("\n") == 1
    assert not list(tmp_path.iterdir())
