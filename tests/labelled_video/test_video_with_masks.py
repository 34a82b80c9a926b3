import json

import numpy as np
import pytest

from outtake.config.build import build_data
from outtake.config.compose import compose
from outtake.core.errors import ConfigError, DataRootError, LabelValueError, VideoError
from outtake.data.source import DataWarning
from outtake.labelled_video.video_with_masks import VideoWithMasks
from tests.labelled_video.clips import FRAMES, ids, lay_masks, picture, white, write_clip


@pytest.fixture
def clip(tmp_path):
    return str(write_clip(tmp_path / "clip.mkv"))


def numbers(source, split):
    return [int(sample.id) for sample in source.samples(split)]


def test_val_is_the_last_part_and_every_frame_has_its_own_mask(clip, tmp_path):
    masks = str(write_clip(tmp_path / "masks.mkv", white))
    with pytest.warns(DataWarning, match=r"clip.mkv: masks: masks.mkv: brightness.*is foreground"):
        source = VideoWithMasks(clip, masks)
    assert numbers(source, "train") == [*range(8)] and numbers(source, "val") == [8, 9]
    assert source.labels.names == ("background", "foreground")
    for sample in source.samples("train") + source.samples("val"):
        assert np.array_equal(source.read_image(sample), picture(int(sample.id)))
        assert np.array_equal(source.read_mask(sample), ids(int(sample.id)) > 0)


def test_frames_without_a_mask_are_no_samples(clip, tmp_path):
    masks = str(lay_masks(tmp_path / "masks", [1, 4, 5, 9]))
    with pytest.warns(
        DataWarning, match=r"by the numbers in their names.*6 frames have none, and are left out"
    ):
        source = VideoWithMasks(clip, masks, classes=["road", "car", "person"], val_fraction=0.5)
    assert numbers(source, "train") == [1, 4] and numbers(source, "val") == [5, 9]
    for sample in source.samples("val"):
        assert np.array_equal(source.read_mask(sample), ids(int(sample.id)))
    source = VideoWithMasks(clip, masks, mask_options={"ids": [2]}, every=2)
    assert numbers(source, "train") == [1] and numbers(source, "val") == [5]
    assert np.array_equal(source.read_mask(source.samples("val")[0]), ids(5) == 2)


def test_annotated_frames_alone_are_samples(clip, tmp_path):
    box = {"label": "car", "points": [[4, 4], [12, 10]], "shape_type": "rectangle"}
    for number in (0, 3, 7):
        tree = {"shapes": [box], "imageHeight": 24, "imageWidth": 32}
        (tmp_path / "shapes").mkdir(exist_ok=True)
        (tmp_path / f"shapes/{number:04d}.json").write_text(json.dumps(tree))
    source = VideoWithMasks("clip.mkv", "shapes", root=str(tmp_path))
    assert numbers(source, "train") + numbers(source, "val") == [0, 3, 7]
    mask = source.read_mask(source.samples("val")[0])
    assert mask[4:10, 4:12].all() and mask.mean() < 0.1


def test_training_reads_it_through_the_config(clip, tmp_path):
    masks = lay_masks(tmp_path / "masks")
    keys = [
        f"data.source.video={clip}",
        f"data.source.masks={masks}",
        "augment=none",
        "data.crop=null",
    ]
    data = build_data(
        compose("train", ["data=clip", "data.workers=2", "data.short_side=24", *keys])
    )
    data.setup("fit")
    assert sum(len(batch["image"]) for batch in data.train_dataloader()) == 8
    assert sum(len(batch["image"]) for batch in data.val_dataloader()) == 2


def test_what_can_not_work_is_one_line(clip, tmp_path):
    masks = str(lay_masks(tmp_path / "masks"))
    film = str(write_clip(tmp_path / "m.mkv", white))
    for options, kind, message in [
        ({"masks": None}, ConfigError, "data=clip needs data.source.video=FILE"),
        ({"masks": str(tmp_path / "none")}, VideoError, "none: no such"),
        ({"video": str(tmp_path / "none.mp4")}, VideoError, r"data.source.video=.*no such"),
        ({"masks": film, "classes": ["a", "b"]}, ConfigError, "keeps no values of all classes"),
        ({"val_fraction": 1}, ConfigError, "more than 0 and less than 1"),
        ({"mask_options": {"channels": "red"}}, ConfigError, "channel, invert, threshold, ids"),
        ({"mask_options": {"threshold": 2}}, ConfigError, "mask_options.threshold"),
    ]:
        with pytest.raises(kind, match=message):
            VideoWithMasks(**({"video": clip, "masks": masks} | options))
    with pytest.raises(DataRootError, match="no split 'test'"):
        VideoWithMasks(clip, masks).samples("test")
    with pytest.raises(LabelValueError, match="2"):
        VideoWithMasks(clip, masks, classes=["road", "car"]).samples("train")


@pytest.mark.parametrize(("frames", "message"), [(FRAMES - 2, "ends after 8"), (12, "more masks")])
def test_a_video_of_masks_of_another_length_is_refused(clip, tmp_path, frames, message):
    masks = write_clip(tmp_path / "masks.mkv", white, frames)
    with pytest.raises(ConfigError, match=message):
        VideoWithMasks(clip, str(masks)).samples("train")


def test_what_does_not_fit_the_limit_is_refused_before_it_is_decoded(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("outtake.labelled_video.video_with_masks.MIB", 1024)
    masks = str(lay_masks(tmp_path / "masks"))
    with pytest.raises(ConfigError, match=r"10 labelled frames of 32x24 need 30 MiB.*every=10"):
        VideoWithMasks(clip, masks, limit_mib=20)
    assert len(VideoWithMasks(clip, masks, limit_mib=20, every=2).samples("train")) == 4
