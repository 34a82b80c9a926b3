"""Shards hold what the data set gives, go on where they were ended, and are checked."""

from __future__ import annotations

import pickle
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from outtake.core.errors import (
    DataRootError,
    LabelValueError,
    MissingSplitError,
    OutputError,
    UnreadableImageError,
)
from outtake.data import pack_shards
from outtake.data.datamodule import DataModule
from outtake.data.folder import Folder
from outtake.data.folds import FoldSource
from outtake.data.inspection import inspect_source
from outtake.data.pack_shards import pack
from outtake.data.packed import Packed
from outtake.data.packed_format import record_path
from outtake.data.scenes import Scenes
from outtake.data.source import DataWarning, find_group
from outtake.data.verification import verify_split
from tests.data.generated import label_map, picture, save

SHARD_BYTES = 6 * 1024  # a few samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folder")
    for split, count in (("train", 11), ("val", 3)):
        for number in range(count):
            suffix = ".jpg" if number % 2 else ".png"
            save(root / split / "images" / f"{number:02d}{suffix}", picture(number))
            save(root / split / "masks" / f"{number:02d}.png", label_map(number))
    return root


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packed") / "shards"
    pack(Folder(str(folder)), target, SHARD_BYTES)
    return target


def test_samples_and_report_are_those_of_the_data_set(folder: Path, packed: Path) -> None:
    source, ours = Folder(str(folder)), Packed(str(packed))
    assert (ours.labels, ours.channels) == (source.labels, source.channels)
    assert len(list(packed.glob("train-*.tar"))) > 2
    for split in ("train", "val"):
        pairs = list(zip(source.samples(split), ours.samples(split), strict=True))
        assert [one.id for one, _ in pairs] == [other.id for _, other in pairs]
        for one, other in reversed(pairs):  # in any order
            assert np.array_equal(source.read_image(one), ours.read_image(other))
            assert np.array_equal(source.read_mask(one), ours.read_mask(other))
            assert ours.sample_bytes(other)[0] == Path(one.image).read_bytes(), "its own bytes"
        known, found = verify_split(source, split), verify_split(ours, split)
        assert found.sizes == known.sizes
        assert np.array_equal(found.sample_class_pixels, known.sample_class_pixels)
        assert found.ignored_pixels == known.ignored_pixels
    again = pickle.loads(pickle.dumps(ours))
    assert np.array_equal(again.read_mask(again.samples("val")[0]), label_map(0))
    with pytest.raises(DataRootError, match="no split 'test'"):
        ours.samples("test")


def test_a_shard_is_a_plain_tar_in_the_layout_of_webdataset(packed: Path) -> None:
    with tarfile.open(packed / "train-00000.tar") as tar:
        names = tar.getnames()
    assert names[:4] == ["00000000.png", "00000000.mask.png", "00000001.jpg", "00000001.mask.png"]


def batches(source, workers: int, start: tuple[int, int] | None = None) -> list:
    data = DataModule(
        source, seed=3, batch_size=4, workers=workers, cache=False, samples_per_epoch=9
    )
    data.setup("fit")
    if start is not None:
        data.start_at(*start)
    return [(b["index"], b["image"], b["mask"]) for b in data.train_dataloader()]


def test_batches_are_those_of_local_files_with_any_workers_and_from_any_step(
    folder: Path, packed: Path
) -> None:
    local = batches(Folder(str(folder)), 0)
    for ours in (batches(Packed(str(packed)), 0), batches(Packed(str(packed)), 2)):
        for known, found in zip(local, ours, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(known, found, strict=True))
    (resumed,) = batches(Packed(str(packed)), 2, start=(0, 1))
    assert all(torch.equal(a, b) for a, b in zip(resumed, local[1], strict=True))


def test_drawn_images_and_five_channels_are_packed_without_loss(tmp_path: Path) -> None:
    scenes = Scenes(height=64, width=96, clips={"train": 1, "val": 1}, frames_per_clip=2)
    done = pack(scenes, tmp_path / "scenes", SHARD_BYTES)
    assert sum(each.recoded_images for each in done) == sum(each.samples for each in done)
    (tmp_path / "train" / "images").mkdir(parents=True)
    for number in range(2):
        bands = np.concatenate([picture(number), picture(number + 9)[..., :2]], 2)
        np.save(tmp_path / "train" / "images" / f"{number}.npy", bands)
        save(tmp_path / "train" / "masks" / f"{number}.png", label_map(number))
    for source in (scenes, Folder(str(tmp_path))):
        target = tmp_path / "out" / source.name
        pack(source, target, SHARD_BYTES)
        ours = Packed(str(target))
        for one, other in zip(source.samples("train"), ours.samples("train"), strict=True):
            assert np.array_equal(source.read_image(one), ours.read_image(other))
            assert np.array_equal(source.read_mask(one), ours.read_mask(other))


def test_a_packing_that_was_ended_goes_on_and_ends_with_the_same_bytes(
    folder: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Folder(str(folder))
    encode = pack_shards._Encoded.of

    def end_at_the_seventh(some, sample):
        if sample.id == source.samples("train")[6].id:
            raise KeyboardInterrupt
        return encode(some, sample)

    monkeypatch.setattr(pack_shards, "_BATCH", 1)
    monkeypatch.setattr(pack_shards, "_check_room", lambda *_: None)
    monkeypatch.setattr(pack_shards._Encoded, "of", end_at_the_seventh)
    with pytest.raises(KeyboardInterrupt):
        pack(source, tmp_path, SHARD_BYTES)
    there = sorted(path.name for path in tmp_path.iterdir())
    assert there and not any(name.endswith(".part") for name in there)
    with pytest.raises(DataRootError, match=r"holds no index\.json"):
        Packed(str(tmp_path))
    monkeypatch.setattr(pack_shards._Encoded, "of", encode)
    done = pack(source, tmp_path, SHARD_BYTES)
    assert done[0].kept > 0
    names = {path.name for path in packed.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all((tmp_path / name).read_bytes() == (packed / name).read_bytes() for name in names)
    with pytest.raises(OutputError, match="another data set"):
        pack(source, tmp_path, 2 * SHARD_BYTES)


def test_too_little_room_is_said_before_anything_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr(pack_shards.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="14 samples will take"):
        pack(Folder(str(folder)), tmp_path / "out", SHARD_BYTES)
    assert not (tmp_path / "out").exists()


def cut_off(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:-600])


def change_the_record(shard: Path) -> None:
    record = record_path(shard)
    record.write_text(record.read_text().replace('"height": ', '"height": 1'))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (Path.unlink, "train-00001.tar is missing"),
        (cut_off, "train-00001.tar is cut off"),
        (change_the_record, "train-00001.json has a wrong checksum"),
    ],
)
def test_a_harmed_shard_is_named_before_training(
    packed: Path, tmp_path: Path, harm, message: str
) -> None:
    copy = shutil.copytree(packed, tmp_path / "copy")
    harm(copy / "train-00001.tar")
    with pytest.raises(DataRootError, match=message):
        DataModule(Packed(str(copy)), seed=0).setup("fit")


def test_a_flipped_bit_is_named_where_it_is_read_and_by_verify(
    packed: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(packed, tmp_path / "copy")
    shard = copy / "train-00001.tar"
    content = bytearray(shard.read_bytes())
    content[600] ^= 1
    shard.write_bytes(content)
    ours = Packed(str(copy))
    hurt = next(each for each in ours.samples("train") if "train-00001" in each.image)
    with pytest.raises(UnreadableImageError, match=r"train-00001\.tar is damaged: .* checksum"):
        ours.read_image(hurt)
    defects = inspect_source(Packed(str(copy), strict=False)).defects
    named = [each for each in defects if each.kind == "unreadable_image"]
    assert len(named) == 1 and "train-00001.tar" in named[0].text


def test_a_split_that_was_not_packed_is_missing_and_one_without_a_label_is_refused(
    folder: Path, packed: Path, tmp_path: Path
) -> None:
    with pytest.raises(MissingSplitError, match=r"no split 'test' in .*, which has: train, val"):
        Packed(str(packed)).samples("test")
    root = shutil.copytree(folder, tmp_path / "folder")
    for path in (root / "val/masks").iterdir():
        save(path, np.full_like(label_map(0), 255))
    pack(Folder(str(root)), tmp_path / "shards", SHARD_BYTES)
    with pytest.raises(LabelValueError, match="no pixel of the split 'val' of folder is labelled"):
        verify_split(Packed(str(tmp_path / "shards")), "val")


def test_a_split_that_is_not_laid_out_as_expected_is_not_left_out_in_silence(
    folder: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(folder, tmp_path / "folder")
    save(root / "test/images/1.png", picture(1))
    with pytest.warns(DataWarning, match=r"test is left out: .*test"):
        pack(Folder(str(root)), tmp_path / "shards", SHARD_BYTES)
    shutil.rmtree(root / "val/masks")
    with pytest.raises(DataRootError, match="val"):
        pack(Folder(str(root)), tmp_path / "others", SHARD_BYTES)


def test_shards_of_labels_or_options_that_have_changed_are_not_continued(
    folder: Path, tmp_path: Path
) -> None:
    root, target = shutil.copytree(folder, tmp_path / "folder"), tmp_path / "shards"
    pack(Folder(str(root)), target, SHARD_BYTES, {"soft_edges": "error"})
    assert pack(Folder(str(root)), target, SHARD_BYTES, {"soft_edges": "error"})[0].kept > 0
    with pytest.raises(OutputError, match="has changed, or packed with another"):
        pack(Folder(str(root)), target, SHARD_BYTES, {"soft_edges": "nearest"})
    save(root / "train/masks/09.png", label_map(99))
    with pytest.raises(OutputError, match="has changed"):
        pack(Folder(str(root)), target, SHARD_BYTES, {"soft_edges": "error"})


def test_a_missing_val_is_said(folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(folder, tmp_path / "folder")
    shutil.rmtree(root / "val")
    with pytest.warns(DataWarning, match=r"val is left out: no split 'val' .*val_fraction=0\.2"):
        pack(Folder(str(root)), tmp_path / "shards", SHARD_BYTES)


def test_shards_of_another_range_of_samples_are_not_continued(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(3):
            deep = picture(number)[..., 0].astype(np.uint16) * 16
            save(tmp_path / split / "images" / f"{number}.png", deep)
            save(tmp_path / split / "masks" / f"{number}.png", label_map(number))
    pack(Folder(str(tmp_path), range=[0, 4095]), tmp_path / "shards", SHARD_BYTES)
    with pytest.raises(OutputError, match="another data set"):
        pack(Folder(str(tmp_path), range=[0, 1023]), tmp_path / "shards", SHARD_BYTES)


def test_recordings_are_packed_and_folds_do_not_divide_them(tmp_path: Path) -> None:
    clips = {"train": 4, "val": 2}
    source = Scenes(height=64, width=96, clips=clips, frames_per_clip=3)
    pack(source, tmp_path / "scenes", SHARD_BYTES)
    ours = Packed(str(tmp_path / "scenes"))
    for split in ("train", "val"):
        groups = [find_group(ours, sample) for sample in ours.samples(split)]
        assert groups == [source.group(sample) for sample in source.samples(split)]
        plain = FoldSource(source, 2, 0).samples(split)
        assert [each.id for each in FoldSource(ours, 2, 0).samples(split)] == [e.id for e in plain]


def test_a_data_set_without_recordings_is_divided_by_images(folder: Path, packed: Path) -> None:
    ours = Packed(str(packed))
    assert {find_group(ours, sample) for sample in ours.samples("train")} == {None}
    assert len(FoldSource(ours, 7, 0).samples("val")) == 2


def test_samples_beyond_the_range_are_said_before_they_are_packed(tmp_path: Path) -> None:
    for number in range(34):
        samples = np.full((24, 32), 4000 if number == 1 else 900, np.uint16)
        save(tmp_path / f"d/train/images/{number:02d}.png", samples)
        save(tmp_path / f"d/train/masks/{number:02d}.png", label_map(number))
    with pytest.warns(DataWarning, match=r"1 of 34 images of train .*range=\[0,4095\]"):
        pack(Folder(str(tmp_path / "d")), tmp_path / "p", SHARD_BYTES)
