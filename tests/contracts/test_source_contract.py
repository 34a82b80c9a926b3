"""Every data set keeps the promises of ``SegmentationSource``: any of them can be trained on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.data.camvid import CamVid
from outtake.data.folder import Folder
from outtake.data.scenes import Scenes
from outtake.labelled_video.video_with_masks import VideoWithMasks
from tests.data.generated import label_map, picture, save
from tests.data.sources.trees import TREES, make_tree, open_source
from tests.labelled_video.clips import lay_masks, write_clip


def make_camvid(root):
    for split in ("train", "val"):
        for number in range(3):
            save(root / split / f"{number}.png", picture(number))
            save(root / f"{split}annot" / f"{number}.png", label_map(number, classes=12))
    return CamVid(str(root))


def make_folder(root):
    for split in ("train", "val"):
        for number in range(3):
            save(root / split / "images" / f"{number}.png", picture(number))
            save(root / split / "masks" / f"{number}.png", label_map(number))
    return Folder(str(root))


def make_grey_table(root):
    lines = ["split,image,mask"]
    for number in range(4):
        save(root / f"image{number}.png", picture(number, channels=1)[..., 0])
        save(root / f"mask{number}.png", label_map(number))
        lines.append(f"{'val' if number == 3 else 'train'},image{number}.png,mask{number}.png")
    (root / "table.csv").write_text("\n".join(lines))
    return Folder(str(root), csv="table.csv")


def make_scenes(_):
    return Scenes(height=64, width=96, clips={"train": 2, "val": 1}, frames_per_clip=2)


def make_video(root):
    write_clip(root / "clip.mkv")
    return VideoWithMasks(str(root / "clip.mkv"), str(lay_masks(root / "masks")))


def make_public(option):
    def make(root):
        return open_source(option, make_tree(option, root))

    make.__name__ = f"make_{option}"
    return make


PUBLIC = [make_public(option) for option in TREES]


@pytest.fixture(
    params=[make_camvid, make_folder, make_grey_table, make_scenes, make_video, *PUBLIC]
)
def source(request, tmp_path):
    return request.param(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_samples_have_unique_ids_in_a_fixed_order(source, split):
    samples = source.samples(split)
    assert samples and samples == source.samples(split)
    assert len({sample.id for sample in samples}) == len(samples)


def test_images_and_masks_have_one_size_and_known_labels(source):
    allowed = {*range(len(source.labels.names)), source.labels.ignore_index}
    for sample in source.samples("train"):
        image, mask = source.read_image(sample), source.read_mask(sample)
        assert image.dtype == mask.dtype == np.uint8
        assert image.shape == (*mask.shape, source.channels)
        assert set(np.unique(mask).tolist()) <= allowed


def test_reading_twice_gives_the_same_and_nobody_can_spoil_it(source):
    sample = source.samples("val")[0]
    image, mask = source.read_image(sample), source.read_mask(sample)
    kept, kept_mask = image.copy(), mask.copy()
    image[:], mask[:] = 0, 0
    assert np.array_equal(source.read_image(sample), kept)
    assert np.array_equal(source.read_mask(sample), kept_mask)


def test_the_bytes_tell_samples_apart(source):
    samples = source.samples("train")
    contents = [source.sample_bytes(sample) for sample in samples]
    assert len(set(contents)) == len(samples)
    assert contents == [source.sample_bytes(sample) for sample in samples]


def test_a_worker_process_gets_the_same(source):
    sample = source.samples("train")[0]
    copy = pickle.loads(pickle.dumps(source))
    assert copy.samples("train") == source.samples("train")
    assert np.array_equal(copy.read_image(sample), source.read_image(sample))
    assert (copy.name, copy.labels, copy.channels) == (source.name, source.labels, source.channels)


def test_a_split_that_does_not_exist_is_one_line(source):
    with pytest.raises(ConfigError, match="train, val, test"):
        source.samples("dev")
