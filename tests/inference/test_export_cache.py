import logging

import numpy as np
import pytest

from outtake.inference.export_cache import ExportCache
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


def test_a_checkpoint_that_changed_gets_a_model_of_its_own(trained):
    images, _ = make_pictures(1, 3)
    open_on_cpu("openvino", trained)(images, SIZE)
    open_on_cpu("openvino", TrainedCheckpoint(trained_task(), trained.path, "f" * 64))(images, SIZE)
    assert len(list(trained.path.parent.iterdir())) == 2


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


def test_a_model_that_could_not_be_made_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        ExportCache(tmp_path / "a.ckpt", "0" * 64).get("x", fail)
    assert not list(tmp_path.iterdir())
