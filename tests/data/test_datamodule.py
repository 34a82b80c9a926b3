import pickle
import warnings
from types import SimpleNamespace

import albumentations as A
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torchvision.transforms import v2

from outtake.core.errors import ConfigError, DataRootError, OutputError, UnknownClassError
from outtake.data import sample_cache
from outtake.data.datamodule import DataModule
from outtake.data.folder import Folder
from outtake.data.source import DataWarning
from tests.data.generated import picture, save


def steps():
    return [A.RandomScale(scale_limit=0.2, p=1.0), A.HorizontalFlip(), A.GaussNoise(p=0.5)]


def module(root, **options):
    given = {"seed": 5, "batch_size": 4, "workers": 0, "crop": [16, 20], **options}
    return DataModule(Folder(str(root)), steps(), **given)


def epochs(loader, count=2):
    """The batches of some epochs, with the calls that Lightning makes."""
    batches = []
    for epoch in range(count):
        loader.batch_sampler.sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def same(first, second):
    return len(first) == len(second) and all(
        torch.equal(one[key], other[key])
        for one, other in zip(first, second, strict=True)
        for key in ("image", "mask", "index")
    )


def test_training_batches(folder):
    batches = epochs(module(folder(train=10)).train_dataloader())
    assert len(batches) == 4  # two of two and a half
    for batch in batches:
        assert batch["image"].shape == (4, 3, 16, 20)
        assert batch["image"].dtype == torch.uint8
        assert batch["mask"].shape == (4, 16, 20)
        assert batch["mask"].dtype == torch.int64


def test_a_set_smaller_than_a_batch_is_one_batch(folder):
    batches = list(module(folder(train=3)).train_dataloader())
    assert [len(batch["index"]) for batch in batches] == [3]


def test_batches_are_the_same_with_0_1_and_2_workers(folder):
    root = folder(train=10)
    alone = epochs(module(root).train_dataloader())
    for workers in (1, 2):
        assert same(epochs(module(root, workers=workers).train_dataloader()), alone)
    validated = list(module(root).val_dataloader())
    assert same(list(module(root, workers=2).val_dataloader()), validated)


def test_steps_of_torchvision_do_not_depend_on_the_workers(folder):
    root = folder(train=10)

    def batches(workers):
        steps = [v2.RandomAffine(30), A.HorizontalFlip(), v2.RandomVerticalFlip()]
        data = DataModule(Folder(str(root)), steps, seed=5, batch_size=4, workers=workers)
        return epochs(data.train_dataloader())

    assert same(batches(0), batches(2))


def test_no_draw_is_repeated_by_a_worker_or_an_epoch(folder):
    root = folder(train=8)
    for path in (root / "train").rglob("*.png"):
        first = path.with_name("train00.png")
        path.write_bytes(first.read_bytes())
    images = [
        image.numpy().tobytes()
        for batch in epochs(module(root, workers=2).train_dataloader(), 3)
        for image in batch["image"]
    ]
    assert len(set(images)) == len(images) == 24


def test_the_cache_changes_nothing(folder):
    root = folder(train=10, size=lambda number: (40 + 2 * number, 48))
    kept, read = module(root, short_side=20), module(root, short_side=20, cache=False)
    assert same(epochs(kept.train_dataloader()), epochs(read.train_dataloader()))
    assert same(list(kept.val_dataloader()), list(read.val_dataloader()))


def test_cached_samples_are_not_read_again(folder):
    root = folder()
    data = module(root)
    data.setup("fit")
    for path in root.rglob("*.png"):
        path.unlink()
    assert len(epochs(data.train_dataloader())) == 2
    assert len(list(data.val_dataloader())) == 1


def test_changing_a_batch_leaves_the_cache(folder):
    data = module(folder())
    before = [batch["image"].clone() for batch in data.val_dataloader()]
    for batch in data.val_dataloader():
        batch["image"].zero_()
    assert all(
        torch.equal(old, batch["image"])
        for old, batch in zip(before, data.val_dataloader(), strict=True)
    )


def test_a_set_too_large_for_the_cache_warns_once_and_works(folder):
    root = folder(train=8, size=lambda _: (300, 400))
    with pytest.warns(DataWarning, match=r"cache_limit_mib") as caught:
        data = module(root, cache_limit_mib=2)
        data.setup("fit")
        data.setup("fit")
    lines = [str(each.message) for each in caught if each.category is DataWarning]
    assert ["'train'" in line for line in lines] == [True]
    assert same(epochs(data.train_dataloader()), epochs(module(root).train_dataloader()))


@pytest.mark.parametrize("workers", [0, 2])
def test_what_memory_has_no_room_for_is_kept_in_a_file_without_a_name(folder, tmp_path, workers):
    root, kept = folder(train=8, size=lambda _: (300, 400)), tmp_path / "kept"
    with pytest.warns(DataWarning, match=r"kept decoded in a file in .*kept") as caught:
        data = module(root, cache_limit_mib=2, cache_folder=str(kept), workers=workers)
        data.setup("fit")
    assert sum(each.category is DataWarning for each in caught) == 1
    assert same(epochs(data.train_dataloader()), epochs(module(root).train_dataloader()))
    assert kept.is_dir() and not list(kept.iterdir()), "it goes with the last process"


def test_a_cache_file_without_room_ends_the_run_before_anything_is_read(
    folder, tmp_path, monkeypatch
):
    root = folder(train=8, size=lambda _: (300, 400))
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr(sample_cache.shutil, "disk_usage", lambda _: usage)
    data = module(root, cache_limit_mib=2, cache_folder=str(tmp_path / "kept"))
    with pytest.raises(OutputError, match=r"cache_folder=.* are free: make room"):
        data.setup("fit")
    (tmp_path / "file").write_text("")
    data = module(root, cache_limit_mib=2, cache_folder=str(tmp_path / "file"))
    with pytest.raises(OutputError, match="is a file"):
        data.setup("fit")


def test_evaluation_masks_keep_their_own_resolution(folder):
    root = folder()
    data = module(root, short_side=12)
    (batch,) = list(data.val_dataloader())
    assert batch["image"].shape == (3, 3, 12, 16)
    assert batch["mask"].shape == (3, 24, 32)
    source = data.source
    for mask, pair in zip(batch["mask"], source.samples("val"), strict=True):
        assert np.array_equal(mask.numpy(), source.read_mask(pair))


def test_mixed_sizes_are_evaluated_without_padding_and_in_order(folder):
    sizes = [(24, 32), (24, 32), (30, 32), (24, 32), (40, 20)]
    root = folder(val=5, size=lambda number: sizes[number % 5])
    batches = list(module(root).val_dataloader())
    assert [batch["index"].tolist() for batch in batches] == [[0, 1], [2], [3], [4]]
    assert [tuple(batch["mask"].shape[1:]) for batch in batches] == [
        (24, 32), (30, 32), (24, 32), (40, 20)
    ]  # fmt: skip


def test_any_channel_count(tmp_path, folder):
    root = folder()
    for path in root.rglob("images/*.png"):
        save(path, picture(int(path.stem[-2:]), channels=4))
    data = module(root)
    assert data.channels == 4
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 4, 16, 20)


def test_mixed_training_sizes_need_a_crop(folder):
    root = folder(size=lambda number: (24 + number, 32))
    with pytest.raises(ConfigError, match=r"data.crop"):
        DataModule(Folder(str(root)), [], seed=0).setup("fit")
    DataModule(Folder(str(root)), [], seed=0, crop=(24, 24)).setup("fit")
    DataModule(Folder(str(root)), [], seed=0, batch_size=1).setup("fit")


def test_steps_that_change_the_size_need_a_crop(folder):
    with pytest.raises(ConfigError, match=r"RandomScale .*data.crop"):
        module(folder(), crop=None).setup("fit")


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch_size", 0), ("eval_batch_size", -1), ("workers", -1), ("short_side", 0)],
)
def test_impossible_options_are_named(folder, option, value):
    with pytest.raises(ConfigError, match=f"data.{option}={value}: must be"):
        module(folder(), **{option: value})


def test_splits_are_verified_once(folder, monkeypatch):
    from outtake.data import datamodule

    verified = []
    verify = datamodule.verify_split
    monkeypatch.setattr(
        datamodule,
        "verify_split",
        lambda source, split: verified.append(split) or verify(source, split),
    )
    data = module(folder(test=2))
    data.setup("fit")
    data.setup("fit")
    data.setup("validate")
    data.class_frequencies()
    assert verified == ["train", "val"]
    data.setup("test")
    assert verified == ["train", "val", "test"]
    assert list(data.reports) == ["train", "val", "test"]
    assert len(list(data.test_dataloader())) == 1


def test_a_missing_split_is_an_error_only_when_asked_for(folder):
    data = module(folder())
    data.setup("fit")
    with pytest.raises(DataRootError, match="'test'"):
        data.eval_loader("test")


def test_class_frequencies(folder):
    data = module(folder())
    frequencies = data.class_frequencies()
    assert frequencies.dtype == np.float64
    assert frequencies.shape == (3,)
    assert frequencies.sum() == pytest.approx(1)


def test_loaders_leave_the_global_random_state(folder):
    data = module(folder(), workers=1)
    before = torch.random.get_rng_state()
    epochs(data.train_dataloader())
    list(data.val_dataloader())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_place_to_begin_at_reaches_a_loader_that_was_made_before(folder):
    root = folder(train=10)
    whole = epochs(module(root).train_dataloader(), 3)
    data = module(root)
    loader = data.train_dataloader()
    data.start_at(1, 1)
    loader.batch_sampler.sampler.set_epoch(1)
    assert same(list(loader), whole[3:4])
    loader.batch_sampler.sampler.set_epoch(2)
    assert same(list(loader), whole[4:])


def test_samples_per_epoch(folder):
    data = module(folder(train=6), samples_per_epoch=16)
    assert len(data.train_dataloader()) == 4


def test_what_a_spawned_worker_needs_can_be_pickled(folder):
    loader = module(folder(), workers=1).train_dataloader()
    parts = (loader.dataset, loader.collate_fn, loader.worker_init_fn)
    dataset, collate, _ = pickle.loads(pickle.dumps(parts))
    copy, original = collate([dataset[1, 2]]), collate([loader.dataset[1, 2]])
    assert same([copy], [original])


def test_a_warning_of_duplicates_comes_with_setup(folder):
    root = folder()
    save(root / "val/images/val00.png", picture(0))
    with pytest.warns(DataWarning, match="both train and val"):
        module(root).setup("fit")


class _Recorder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def training_step(self, batch):
        self.seen.append((self.current_epoch, batch))
        return self.weight.sum()

    def validation_step(self, batch):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("workers", [0, 1])
def test_lightning_moves_the_epoch_on(folder, tmp_path, workers):
    root = folder(train=8)
    recorder = _Recorder()
    trainer = pl.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        use_distributed_sampler=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(recorder, datamodule=module(root, workers=workers))
    assert [epoch for epoch, _ in recorder.seen] == [0, 0, 1, 1]
    assert same([batch for _, batch in recorder.seen], epochs(module(root).train_dataloader()))


def test_a_focus_needs_a_crop_and_a_share(folder):
    root = folder(train=3)
    with pytest.raises(ConfigError, match=r"data\.focus=0\.5: .*data\.crop"):
        module(root, crop=None, focus=0.5)
    with pytest.raises(ConfigError, match=r"data\.focus_classes .*data\.focus=0"):
        module(root, focus_classes=["a"])
    with pytest.raises(UnknownClassError, match="'nothing'"):
        module(root, focus=0.5, focus_classes=["nothing"])


@pytest.mark.parametrize("option", [{"focus": 1.0}, {"rare_class_temperature": 0.1}])
def test_what_is_drawn_by_class_does_not_depend_on_the_workers(folder, option):
    root = folder(train=6)
    alone, even = (epochs(module(root, **each).train_dataloader()) for each in (option, {}))
    assert not same(alone, even)
    assert same(alone, epochs(module(root, workers=1, **option).train_dataloader()))
