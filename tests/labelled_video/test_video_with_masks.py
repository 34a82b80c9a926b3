import json

import numpy as np
import pytest
from PIL import Image

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.core.errors import (
    ConfigError,
    DataRootError,
    LabelValueError,
    OuttakeError,
    VideoError,
)
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


def test_without_a_val_all_labelled_frames_are_trained_on_and_scored(clip, tmp_path):
    masks = str(lay_masks(tmp_path / "masks", [0, 4, 9]))
    source = VideoWithMasks(clip, masks, classes=["a", "b", "c"], val_fraction=None)
    with pytest.warns(DataWarning, match=r"labelled frames \(3\) are all trained on and scored"):
        assert numbers(source, "train") == numbers(source, "val") == [0, 4, 9]
    source = VideoWithMasks(clip, masks, val_frames=[4])
    assert numbers(source, "train") == [0, 9] and numbers(source, "val") == [4]
    with pytest.raises(ConfigError, match=r"frame 5 of clip.mkv has no label; labelled are 0, 4,"):
        VideoWithMasks(clip, masks, val_frames=[5]).samples("val")


def lay_project(folder, video, labels):
    """A project folder with the labels of some frames, 255 where nothing is labelled."""
    (folder / "train/masks").mkdir(parents=True)
    (folder / "project.json").write_text(json.dumps({"format": 1, "source": str(video)}))
    (folder / "classes.yaml").write_text("names: [background, ball]\nignore: 255\n")
    for number, label in labels.items():
        Image.fromarray(label).save(folder / f"train/masks/{number:06d}.png")
    return str(folder)


def strokes(number):
    """A few labelled pixels, of 0 and 1."""
    found = np.full((24, 32), 255, np.uint8)
    found[4:10, number : number + 8], found[20:] = 1, 0
    return found


def test_a_project_folder_names_its_clip_and_255_is_unlabelled(clip, tmp_path):
    # Frames 0 to 2: without the project they could be the first masks of any part.
    root = lay_project(tmp_path / "p", "../clip.mkv", {each: strokes(each) for each in (0, 1, 2)})
    source = VideoWithMasks(root=root, val_fraction=None)
    assert source.labels.names == ("background", "ball")
    assert numbers(source, "train") == [0, 1, 2]
    assert np.array_equal(source.read_mask(source.samples("train")[2]), strokes(2))


def test_of_masks_of_1_and_255_the_second_is_unlabelled(clip, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in (2, 7):
        Image.fromarray(strokes(number)).save(folder / f"{number}.png")
    with pytest.warns(DataWarning, match=r"255 is unlabelled, as there are other classes beside 0"):
        source = VideoWithMasks(clip, str(folder), val_fraction=None)
    assert source.labels.names == ("background", "foreground")
    assert np.array_equal(source.read_mask(source.samples("val")[1]), strokes(7))


def test_one_mask_with_a_number_is_of_that_frame_and_one_without_of_all(clip, tmp_path):
    one = lay_masks(tmp_path / "masks", [7])
    source = VideoWithMasks(clip, str(one), val_fraction=None)
    assert numbers(source, "train") == [7]
    assert np.array_equal(source.read_mask(source.samples("train")[0]), ids(7) > 0)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(4):  # counted from 5
        Image.fromarray(picture(number)).save(frames / f"{number + 5:05d}.png")
    assert numbers(VideoWithMasks(str(frames), str(one), val_fraction=None), "train") == [2]
    (one / "00007.png").rename(one / "all.png")
    assert numbers(VideoWithMasks(clip, str(one)), "train") == [*range(8)]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({3: np.ones((24, 32), np.uint8)}, "all that is labelled is 'ball', and nothing is backg"),
        ({3: np.full((24, 32), 255, np.uint8)}, "no pixel of its labelled frames has a class"),
        ({}, "no frame is labelled; label some first"),
        ({12: strokes(12)}, r"000012.png would be the mask of frame 12, .* 10 frames"),
        ({3: np.ones((20, 32), np.uint8)}, r"32x20"),
        ({3: np.full((24, 32), 7, np.uint8)}, r"value 7"),
    ],
)
def test_labels_of_which_nothing_can_be_learned_are_named(clip, tmp_path, labels, message):
    root = lay_project(tmp_path / "p", "../clip.mkv", labels)
    with pytest.raises(OuttakeError, match=message):
        VideoWithMasks(root=root, val_fraction=None).samples("train")


def test_a_project_that_names_no_clip_is_one_line(clip, tmp_path):
    root = lay_project(tmp_path / "p", "", {3: strokes(3)})
    with pytest.raises(DataRootError, match=r"project.json does not say which clip it is of"):
        VideoWithMasks(root=root)


@pytest.mark.parametrize(
    "value", [3, [3.0], [4.0], ["4"], [True], [-1], [[4]], [], {"a": 4}, "4"], ids=str
)
def test_frames_of_val_are_whole_numbers_from_0(clip, tmp_path, value):
    masks = str(lay_masks(tmp_path / "masks", [1, 4, 5, 9]))
    with pytest.raises(ConfigError, match=r"val_frames=.*list of whole numbers from 0 on, as \["):
        VideoWithMasks(clip, masks, val_frames=value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("val_fraction", "a"), ("val_fraction", [0.5]), ("first", "x"), ("first", 1.5),
        ("classes", 5), ("mask_options", 3), ("video", 7), ("root", [1]),
    ],
)  # fmt: skip
def test_options_of_another_kind_are_one_line(clip, tmp_path, key, value):
    masks = str(lay_masks(tmp_path / "masks", [1, 4]))
    with pytest.raises(ConfigError, match=rf"^data\.source\.{key}( is |=)"):
        VideoWithMasks(**{"video": clip, "masks": masks, key: value})
