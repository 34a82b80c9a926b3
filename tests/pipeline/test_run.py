"""The figures of a report do not depend on how a clip was cut into segments and made."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_values import MaskValueOptions
from outtake.masking.policy import MaskPolicy
from outtake.masking.regions import Region
from outtake.pipeline.job import Job, WriteOptions
from outtake.pipeline.run import run_missing_segments
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.effects import Solid
from outtake.removal.grain import GrainRemover
from outtake.removal.inpaint import Inpaint
from outtake.video.read.clip import open_clip
from outtake.video.write.encoding_plan import EncodingRequest
from tests.pipeline.square import FRAMES, HEIGHT, WIDTH, write_scene


class UnsureLabels:
    """A network whose square jumps about, and which is less sure of it from frame to frame."""

    stride = 1

    def __call__(self, clip):
        for frame in clip:
            number = int(frame.pts * frame.time_base * 25 + 0.5)
            labels = np.zeros((HEIGHT, WIDTH), np.uint8)
            left = 20 if number % 3 else 24
            labels[14:30, left : left + 20] = 1
            space = LabelSpace.from_names(("ground", "square"))
            yield LabelledFrame(frame, labels, space, uncertain_share=number / 100)


class DifferentFromPlate:
    """A network that takes for the square what differs from the clip's own plate."""

    stride = 1

    def __call__(self, clip):
        for frame in clip:
            labels = (np.abs(frame.further.astype(int) - 128).max(axis=2) > 20).astype(np.uint8)
            yield LabelledFrame(frame, labels, LabelSpace.from_names(("ground", "square")))


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene"))


def test_regions_that_come_and_go_are_no_jump_of_masks(scene, tmp_path):
    job = jobs(scene, tmp_path)["given"]
    region = Region((0, 0, WIDTH, 12), Fraction(2, 25), Fraction(4, 25))
    plain, added = (
        record_of(
            replace(job, regions=regions, target=tmp_path / f"{len(regions)}.mkv"), [(0, None)]
        )
        for regions in ((), (region,))
    )
    shares = [one["per_frame"]["hole_share"] for one in (plain, added)]
    grown = [t for t, (before, after) in enumerate(zip(*shares, strict=True)) if after > before]
    assert grown == [2, 3]
    assert added["per_frame"]["mask_jump"] == plain["per_frame"]["mask_jump"]
    assert added["warnings"] == plain["warnings"]


def record_of(job: Job, ranges) -> dict:
    """Return the merged report of a job whose ranges of segments are made one after the other."""
    with open_clip(job.source) as clip:
        outputs = job.open_outputs(clip)
        try:
            for first, stop in ranges:
                run_missing_segments(job, outputs, first_segment=first, stop_segment=stop)
            return job.merge_report(outputs, -(-FRAMES // job.segment_frames)).record()
        finally:
            for output in outputs:
                output.release()


def jobs(scene: Path, folder: Path):
    options = WriteOptions(encoding=EncodingRequest(codec="ffv1"))
    network = Job(
        scene / "in.mkv",
        folder / "network.mkv",
        CleanPlate(reach_frames=2),
        UnsureLabels(),
        MaskPolicy([1], vote=0),
        write_options=options,
        segment_frames=3,
    )
    masks = build_mask_source(find_mask_files(scene / "masks.mkv"), MaskValueOptions()).source
    given = replace(
        network, target=folder / "given.mkv", remover=Solid(), masks=masks,
        labeller=None, policy=None,
    )  # fmt: skip
    by_plate = replace(
        network, target=folder / "plate.mkv", labeller=DifferentFromPlate(), remover=Solid(),
        plate_offsets=((1, 2),), known_labels={4: np.ones((HEIGHT, WIDTH), np.uint8)},
    )  # fmt: skip
    return {"network": network, "given": given, "plate": by_plate}


@pytest.mark.parametrize("kind", ["network", "given", "plate"])
def test_segments_made_alone_and_in_any_order_have_the_figures_of_one_run(scene, tmp_path, kind):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = record_of(jobs(scene, tmp_path / "whole")[kind], [(0, None)])
    parts = record_of(jobs(scene, tmp_path / "parts")[kind], [(2, None), (0, 1), (1, 2)])
    assert whole == parts
    known = [value is not None for value in whole["per_frame"]["mask_jump"]]
    assert known == [False] + [True] * (FRAMES - 1)
    if kind == "network":
        assert whole["per_frame"]["uncertain_share"] == [n / 100 for n in range(FRAMES)]
        assert set(whole["mask"]["contents"]) == {"ground", "square"}
    elif kind == "plate":
        shares = whole["per_frame"]["hole_share"]
        assert shares[4] == 1 and 0 < np.median(shares) < 0.5
    else:
        assert "uncertain_share" not in whole["mask"]
        assert set(whole["mask"]["contents"]) == {"0", "255"}


@pytest.mark.parametrize("pix_fmt", ["bgr0", "yuv444p10le"], ids=["8 bits", "10 bits"])
def test_segments_made_alone_and_in_any_order_have_the_grain_of_one_run(tmp_path, pix_fmt):
    dice, down = np.random.default_rng(3), np.linspace(60, 180, 96)[:, None, None]
    with av.open(str(tmp_path / "in.mkv"), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pix_fmt
        for number in range(FRAMES):
            grainy = (down + dice.normal(0, 6, (96, 128, 3))) * 256
            frame = av.VideoFrame.from_ndarray(grainy.astype(np.uint16), format="rgb48le")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    made = []
    for name, ranges in (("whole", [(0, None)]), ("parts", [(2, None), (0, 1), (1, 2)])):
        job = Job(
            tmp_path / "in.mkv",
            tmp_path / f"{name}.mkv",
            GrainRemover(Inpaint()),
            regions=(Region((40, 30, 40, 40)),),
            write_options=WriteOptions(encoding=EncodingRequest(codec="ffv1")),
            segment_frames=3,
        )
        with open_clip(job.source) as clip:
            outputs = job.open_outputs(clip)
        for first, stop in ranges:
            run_missing_segments(job, outputs, first_segment=first, stop_segment=stop)
        assert min(job.merge_report(outputs, 3).record()["per_frame"]["grain"]) > 2
        outputs[0].finish(3)
        with open_clip(job.target) as clip:
            frames = list(clip)
        made.append([one.image if one.image16 is None else one.image16 for one in frames])
    assert made[0][0].dtype == (np.uint8 if pix_fmt == "bgr0" else np.uint16)
    assert all(map(np.array_equal, *made))
    inside = [one[35:65, 45:75].astype(int) for one in made[0]]
    assert not np.array_equal(inside[0] - inside[0].mean(), inside[1] - inside[1].mean())
