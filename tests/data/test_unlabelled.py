"""Images without labels: found, told apart from the labelled ones, drawn alike by every process."""

from __future__ import annotations

from pathlib import Path

import albumentations as A
import numpy as np
import pytest
import torch

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.core.errors import ConfigError, DataRootError, EmptySplitError, UnreadableImageError
from outtake.data.augmentation import Augmentation
from outtake.data.sample_order import DividedBatches, SampleOrder
from outtake.data.scenes import Scenes
from outtake.data.source import DataWarning
from outtake.data.strong_views import StrongViews
from outtake.data.unlabelled import (
    LabelledShare,
    LabelsSetAside,
    PictureFolder,
    read_share,
    verify_unlabelled,
    warn_of_scored_images,
)
from outtake.data.unlabelled_dataset import (
    MixedBatches,
    UnlabelledDataset,
    UnlabelledImages,
)
from tests.data.generated import picture, save

SCENES = [
    "data.source.height=32",
    "data.source.width=48",
    "data.source.clips={train:4,val:1,test:1}",
    "data.source.frames_per_clip=3",
    "data.crop=[24,32]",
    "data.batch_size=2",
    "data.workers=0",
]


def small_scenes() -> Scenes:
    return Scenes(height=32, width=48, clips={"train": 8, "val": 1, "test": 1}, frames_per_clip=2)


def names(samples) -> set[str]:
    return {sample.id for sample in samples}


def test_a_share_is_the_same_everywhere_and_inside_a_larger_one() -> None:
    source = small_scenes()
    eighth, half = LabelledShare(source, 1 / 8), LabelledShare(source, 1 / 2)
    assert len(eighth.samples("train")) == 2 and len(half.samples("train")) == 8
    assert names(eighth.samples("train")) < names(half.samples("train"))
    rest = LabelsSetAside(half).samples()
    assert names(rest) == names(source.samples("train")) - names(half.samples("train"))
    assert half.samples("val") == source.samples("val")
    assert len(LabelledShare(source, 1e-6).samples("train")) == 1
    with pytest.raises(EmptySplitError, match="leaves no image without its labels"):
        LabelsSetAside(LabelledShare(source, 1.0)).samples()


@pytest.mark.parametrize(("given", "share"), [("1/8", 0.125), (0.5, 0.5), ("0.25", 0.25), (1, 1)])
def test_a_share_is_a_number_or_a_fraction(given: float | str, share: float) -> None:
    assert read_share(given) == share


@pytest.mark.parametrize("given", ["1/0", "0", -0.5, "3/2", "half"])
def test_what_is_no_share_is_one_line(given: float | str) -> None:
    with pytest.raises(ConfigError, match=r"labelled_share=.*: give more than 0 and at most 1"):
        read_share(given)


def test_a_folder_gives_all_its_pictures_in_the_channels_of_the_labelled_ones(
    tmp_path: Path,
) -> None:
    save(tmp_path / "sub/b.png", picture(0, (20, 30)))
    save(tmp_path / "a.png", picture(1, (20, 30))[..., 0])
    (tmp_path / "c.psd").touch()
    folder = PictureFolder(str(tmp_path), 3, None)
    with pytest.warns(DataWarning, match=r"left out in .*: 1 \.psd files"):
        report = verify_unlabelled(folder)
    assert [sample.id for sample in report.samples] == ["a", "sub/b"]
    assert report.sizes == ((20, 30), (20, 30)) and report.to_record()["count"] == 2
    assert folder.read_image(report.samples[0]).shape == (20, 30, 3)
    with pytest.warns(DataWarning, match="1 images without labels are in val too, such as 'a'"):
        warn_of_scored_images(report, {"x": report.files["a"]})


def test_a_folder_without_pictures_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EmptySplitError, match="holds no picture that can be read"):
        PictureFolder(str(tmp_path), 3, None).samples()
    with pytest.raises(DataRootError, match="no such folder"):
        PictureFolder(str(tmp_path / "none"), 3, None).samples()
    save(tmp_path / "a.png", picture(0))
    with pytest.raises(DataRootError, match="has 3 channels, the labelled ones have 4"):
        verify_unlabelled(PictureFolder(str(tmp_path), 4, None))
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImageError, match=r"a\.png"):
        verify_unlabelled(PictureFolder(str(tmp_path), 3, None))


def draw(*overrides: str, start: tuple[int, int] | None = None, count: int = 9) -> list:
    given = ["supervision=unimatch", "data.labelled_share=1/2", *SCENES, *overrides]
    data = build_data(compose("train", given))
    if start is not None:
        data.start_at(*start)
    data.setup("fit")
    batches: list = []
    epoch = 0 if start is None else start[0]
    while len(batches) < count:
        loader = data.train_dataloader()
        if start is None or epoch > start[0]:
            loader.batch_sampler.sampler.set_epoch(epoch)
        else:
            data.start_at(*start)
            loader = data.train_dataloader()
        batches += list(loader)
        epoch += 1
    return batches[:count]


def same(one, other) -> bool:
    others = one["unlabelled"].keys()
    return (
        torch.equal(one["image"], other["image"])
        and torch.equal(one["index"], other["index"])
        and all(torch.equal(one["unlabelled"][k], other["unlabelled"][k]) for k in others)
    )


def test_batches_depend_on_seed_pass_and_index_alone() -> None:
    whole = draw("data.unlabelled_batch_size=4")
    first = whole[0]["unlabelled"]
    assert first["image"].shape == (4, 3, 24, 32) and first["image"].dtype == torch.uint8
    assert first["valid"].shape == (4, 24, 32) and first["valid"].dtype == torch.bool
    assert first["strong"].shape == (4, 2, 3, 24, 32) and first["boxes"].shape == (4, 2, 4)
    assert not torch.equal(first["strong"][:, 0], first["strong"][:, 1])
    with_workers = draw("data.unlabelled_batch_size=4", "data.workers=1", "data.cache=false")
    assert all(same(one, other) for one, other in zip(whole, with_workers, strict=True))
    # Three batches an epoch: the second one of the second epoch is the fifth.
    resumed = draw("data.unlabelled_batch_size=4", start=(1, 1), count=2)
    assert all(same(one, other) for one, other in zip(whole[4:6], resumed, strict=True))
    assert not same(whole[0], draw("data.unlabelled_batch_size=4", "seed=1", count=1)[0])


def test_processes_share_a_batch_of_either_kind() -> None:
    def batches(rank: int, world_size: int) -> list:
        order = SampleOrder(6, seed=3)
        labelled = DividedBatches(order, 2, rank=rank, world_size=world_size)
        return list(MixedBatches(labelled, 5, 4, seed=7).iter_epoch(1))

    alone, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [len(batch) for batch in alone] == [6, 6, 6]
    for whole, *parts in zip(alone, first, second, strict=True):
        assert sorted(whole) == sorted([*parts[0], *parts[1]])


def test_strong_views_leave_pixels_in_place_and_rectangles_inside() -> None:
    image = picture(0, (24, 32))
    views = StrongViews([A.InvertImg(p=1.0)], 2, 1.0, seed=0)
    seen, boxes = views(image, 0, 0)
    assert np.array_equal(seen[0], 255 - image) and seen.shape == (2, 24, 32, 3)
    for index in range(40):
        for top, left, height, width in views(image, 0, index)[1].tolist():
            assert 0 <= top < top + height <= 24 and 0 <= left < left + width <= 32
            assert 1 <= height * width <= 0.45 * 24 * 32
    assert not np.array_equal(boxes, views(image, 1, 0)[1])
    assert not StrongViews([], 1, 0.0, seed=0)(image, 0, 0)[1].any()


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["supervision=unimatch"], ConfigError, "there are none; set data.unlabelled=FOLDER"),
        (["data.unlabelled=x"], ConfigError, "no use for images without labels; set supervision"),
        (
            ["supervision=unimatch", "data.unlabelled=x", "data.labelled_share=1/2"],
            ConfigError,
            "both name images without labels",
        ),
        (
            ["supervision=fixmatch", "data.labelled_share=1/2", "data.crop=null"],
            ConfigError,
            "data.crop=null: labelled images and those without",
        ),
        (
            [
                "supervision=fixmatch",
                "data.labelled_share=1/2",
                "supervision.strong.steps.grey._target_=albumentations.HorizontalFlip",
            ],
            ConfigError,
            "HorizontalFlip may move pixels",
        ),
        (
            ["supervision=fixmatch", "data.labelled_share=1/2", "supervision.strong.views=9"],
            ConfigError,
            "supervision.strong.views=9: must be a whole number",
        ),
        (["supervision=fixmatch", "data.unlabelled=nowhere"], DataRootError, "no such folder"),
    ],
)
def test_what_cannot_work_is_one_line(
    overrides: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        build_data(compose("train", [*SCENES, *overrides])).setup("fit")
    assert "\n" not in str(raised.value)


def test_an_image_without_labels_is_decoded_once(tmp_path: Path, monkeypatch) -> None:
    save(tmp_path / "a.png", picture(0))
    images, read = PictureFolder(str(tmp_path), 3, None), []
    decode = images.read_image
    monkeypatch.setattr(images, "read_image", lambda sample: read.append(sample) or decode(sample))
    augmentation = Augmentation([], None, ignore_index=255, seed=0)
    made = UnlabelledDataset(
        UnlabelledImages(images),
        images.samples(),
        small_scenes(),
        short_side=None,
        augmentation=augmentation,
        seed=0,
    )
    item = made[0, 0]
    assert np.array_equal(item["image"].numpy().transpose(1, 2, 0), picture(0))
    assert item["valid"].all() and len(read) == 1
