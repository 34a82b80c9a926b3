import logging
import os

import numpy as np
import pytest

from outtake.inference.export_cache import SIZES_IN_MEMORY, ExportCache
from outtake.inference.openvino_backend import OpenVINONetwork
from tests.inference.trained import (
    SIZE,
    TrainedCheckpoint,
    make_pictures,
    open_on_cpu,
    trained_task,
)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_exported_model_is_kept_and_used_again(name, trained, monkeypatch):
    images, _ = make_pictures(1, 3)
    labels, _ = open_on_cpu(name, trained)(images, SIZE)
    (kept,) = trained.path.parent.iterdir()
    assert kept.name == f"best.0123456789ab.{name}-float32-48x64.zip"
    stamp = kept.stat().st_mtime_ns

    def never(*_, **__):
        raise AssertionError("exported again")

    monkeypatch.setattr("outtake.inference.openvino_backend.OpenVINONetwork._export", never)
    monkeypatch.setattr("outtake.inference.onnxruntime_backend.export_onnx", never)
    assert np.array_equal(open_on_cpu(name, trained)(images, SIZE)[0], labels)
    assert kept.stat().st_mtime_ns == stamp


def test_a_checkpoint_that_changed_gets_a_model_instead_of_the_one_before(trained):
    images, _ = make_pictures(1, 3)
    open_on_cpu("openvino", trained)(images, SIZE)
    folder = trained.path.parent
    others = [
        "best.0123456789ab.mine.zip",
        "best.zip",
        "last.0123456789ab.openvino-float32-1x1.zip",
    ]
    for name in others:
        (folder / name).write_bytes(b"of somebody else")
    later = TrainedCheckpoint(trained_task(), trained.path, "f" * 64)
    open_on_cpu("openvino", later)(images, SIZE)
    # What is younger than the checkpoint may be of a process that still has the one before.
    young = folder / "best.0123456789ab.openvino-float32-48x64.zip"
    assert young.is_file()
    (folder / "best.ffffffffffff.openvino-float32-48x64.zip").unlink()
    trained.path.touch()
    os.utime(young, (1, 1))
    open_on_cpu("openvino", later)(images, SIZE)
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted(
        [*others, trained.path.name, "best.ffffffffffff.openvino-float32-48x64.zip"]
    )


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty", "of another"])
def test_a_damaged_model_is_made_again_with_a_warning(harm, trained, caplog):
    images, _ = make_pictures(1, 3)
    labels, _ = open_on_cpu("openvino", trained)(images, SIZE)
    (kept,) = trained.path.parent.iterdir()
    whole = kept.read_bytes()
    half = len(whole) // 2
    kept.write_bytes(
        {
            "truncated": whole[:half],
            "flipped": whole[:half] + bytes([whole[half] ^ 255]) + whole[half + 1 :],
            "empty": b"",
            "of another": whole.replace(b"0123456789abcdef", b"0123456789abcdee"),
        }[harm]
    )
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(open_on_cpu("openvino", trained)(images, SIZE)[0], labels)
    assert "is made again" in caplog.text and str(kept) in caplog.text
    assert open_on_cpu("openvino", trained)(images, SIZE)[0].shape == (1, *SIZE)


def test_a_folder_that_can_not_be_written_is_done_without(trained):
    images, _ = make_pictures(1, 3)
    place = trained.path.parent / "file"
    place.write_text("not a folder")
    backend = open_on_cpu("openvino", TrainedCheckpoint(trained_task(), place / "best.ckpt"))
    assert backend(images, SIZE)[0].shape == (1, *SIZE)
    assert [path.name for path in trained.path.parent.iterdir()] == ["file"]


def test_the_cache_can_be_left_alone(trained):
    images, _ = make_pictures(1, 3)
    open_on_cpu("openvino", trained, cache=False)(images, SIZE)
    assert not list(trained.path.parent.iterdir())


def test_models_of_the_last_eight_sizes_are_kept(tmp_path):
    cache = ExportCache(tmp_path / "a[1].ckpt", "0" * 64)
    for width in range(10, 21):
        for kind in ("openvino-int8", "openvino-float32"):
            cache.get(f"{kind}-48x{width}", lambda: {"model": b"1"})
            made = cache.path(f"{kind}-48x{width}")
            os.utime(made, (width, width))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        cache.path(f"{kind}-48x{width}").name
        for kind in ("openvino-int8", "openvino-float32")
        for width in range(13, 21)
    }


def test_of_many_sizes_few_models_stay_in_memory():
    pytest.importorskip("openvino")
    network = OpenVINONetwork(trained_task(), threads=1)
    for width in range(32, 32 + 8 * (SIZES_IN_MEMORY + 2), 8):
        network(np.zeros((1, 32, width, 3), np.uint8))
    assert network._get_model.cache_info().currsize == SIZES_IN_MEMORY
    images = make_pictures(1, 3, (32, 32))[0]
    anew = OpenVINONetwork(trained_task(), threads=1)
    assert np.array_equal(network(images), anew(images))


def test_a_model_that_could_not_be_made_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        ExportCache(tmp_path / "a.ckpt", "0" * 64).get("x", fail)
    assert not list(tmp_path.iterdir())
