"""An interlaced clip is filled field by field, however it is cut into segments."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_values import MaskValueOptions
from outtake.pipeline.job import Job, WriteOptions
from outtake.pipeline.run import run_missing_segments
from outtake.programs.infer_video import infer_video
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.video.interlacing import FieldMarker
from outtake.video.read.clip import open_clip
from outtake.video.write.encoding_plan import EncodingRequest
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, texture, view

FRAMES = 18


@pytest.fixture(scope="module")
def shaken(tmp_path_factory) -> tuple[Path, list[np.ndarray]]:
    """A clip whose camera changes its speed, its masks, and what is behind them."""
    folder = tmp_path_factory.mktemp("shaken")
    moments = [view(texture(1), 80 + 40 * np.sin(number / 7)) for number in range(2 * FRAMES)]
    truths, marker = [], FieldMarker("bff")
    with (
        av.open(str(folder / "in.mkv"), "w") as clip,
        av.open(str(folder / "masks.mkv"), "w") as masks,
    ):
        options = {"flags": "+ildct+ilme", "crf": "4"}
        shown = clip.add_stream("libx264", rate=25, options=options)
        hidden = masks.add_stream("ffv1", rate=25)
        for stream, stored in ((shown, "yuv420p"), (hidden, "gray")):
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, stored
        for number in range(FRAMES):
            truth = moments[2 * number + 1].copy()
            truth[1::2] = moments[2 * number][1::2]
            mask = disc(30 + 4.5 * number, HEIGHT / 2)
            truths.append(truth)
            image = np.where(mask[..., None], np.uint8(255), truth)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            clip.mux(shown.encode(marker.mark(frame)))
            grey = av.VideoFrame.from_ndarray(mask.astype(np.uint8) * 255, format="gray")
            grey.pts, grey.time_base = number, Fraction(1, 25)
            masks.mux(hidden.encode(grey))
        clip.mux(shown.encode())
        masks.mux(hidden.encode())
    return folder, truths


def test_fields_are_filled_and_stay_fields(shaken, tmp_path):
    folder, truths = shaken
    masks = build_mask_source(find_mask_files(folder / "masks.mkv"), MaskValueOptions()).source
    job = Job(
        folder / "in.mkv",
        tmp_path / "whole.mkv",
        CleanPlate(reach_frames=12),
        masks=masks,
        write_options=WriteOptions(encoding=EncodingRequest(codec="ffv1")),
    )
    results = []
    for name, length in (("whole", 500), ("parts", 7)):
        part = replace(job, target=tmp_path / f"{name}.mkv", segment_frames=length)
        with open_clip(part.source) as clip:
            outputs = part.open_outputs(clip)
            total = -(-FRAMES // length)
            run_missing_segments(part, outputs)
            record = part.merge_report(outputs, total).record()
            for output in outputs:
                output.finish(total)
        # The samples of whole frames, which are torn differently, disagree.
        assert record["fill"]["disputed"] < 0.03
        with open_clip(part.target) as made:
            assert made.info.field_order == "bff"
            results.append([frame.image for frame in made])
    assert len(results[0]) == FRAMES
    inner = [disc(30 + 4.5 * number, HEIGHT / 2, 10) for number in range(FRAMES)]
    errors = [
        # Colours have half the lines in the file.
        np.abs(one[mask].mean(axis=1) - truth[mask].mean(axis=1)).mean()
        for one, truth, mask in zip(results[0], truths, inner, strict=True)
    ]
    assert np.mean(errors) < 5


def test_fields_are_seen_where_no_mark_says_so(shaken, tmp_path, caplog):
    folder, _ = shaken
    with open_clip(folder / "in.mkv") as clip, av.open(str(tmp_path / "in.mkv"), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for frame in clip:
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture = picture.reformat(format="bgr0")
            picture.pts, picture.time_base = frame.pts, frame.time_base
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    given = [f"input={tmp_path / 'in.mkv'}", f"masks={folder / 'masks.mkv'}",
             "remover.reach_frames=12", "read.end=0.4"]  # fmt: skip
    made_of: dict[str, list[np.ndarray]] = {}
    for name, choice in (("seen", "auto"), ("said", "bff"), ("whole", "none")):
        output = tmp_path / f"{name}.mkv"
        asked = [*given, f"output={output}", f"read.fields={choice}", "encode.codec=ffv1"]
        infer_video(compose("infer_video", asked))
        with open_clip(output) as made:
            assert made.info.field_order == ("bff" if choice == "bff" else None)
            made_of[name] = [frame.image for frame in made]
    assert caplog.text.count("looks interlaced, its bottom field first, and is not marked so") == 1
    assert all(map(np.array_equal, made_of["seen"], made_of["said"]))
    assert not all(map(np.array_equal, made_of["seen"], made_of["whole"]))
    cv2.imwrite(str(tmp_path / "painted.png"), made_of["whole"][3])
    painted = [f"remover.painted={tmp_path / 'painted.png'}@0.12", f"output={tmp_path / 'p.mkv'}"]
    for more in ([], ["preview=true"]):
        with pytest.raises(ConfigError, match="is interlaced, and is filled field by field"):
            infer_video(compose("infer_video", [*given, *painted, *more]))
    assert not list(tmp_path.glob("p.*"))
