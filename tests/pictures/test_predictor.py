"""The network of a checkpoint as a function of arrays, as docs/pictures.md shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from outtake.config.load_trained import load_trained
from outtake.core.errors import ConfigError
from outtake.inference.torch_backend import TorchBackend
from outtake.pictures.predictor import Predictor
from tests.conftest import ROOT

TORCH = {"name": "torch"}


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 40, 56, 3), np.uint8)


def test_labels_and_confidence_are_those_of_the_backend(small_run: Path) -> None:
    predictor = Predictor.from_checkpoint(small_run, device="cpu", backend=TORCH, batch_size=2)
    batch = pictures(3)
    found = predictor(batch)
    trained = load_trained(small_run)
    backend = TorchBackend(trained.task, "cpu", confidence=True)
    resized = np.stack([predictor._prepare(picture) for picture in batch])
    labels, confidence = backend(resized[:2], (40, 56))
    assert found.labels.shape == (3, 40, 56) and found.labels.dtype == np.uint8
    assert (found.labels[:2] == labels).all() and found.label_space == trained.labels
    assert found.confidence is not None and confidence is not None
    assert np.allclose(found.confidence[:2], confidence, atol=1e-3)
    one = predictor(batch[2])
    assert one.labels.shape == (40, 56) and (one.labels == found.labels[2]).mean() > 0.99


def test_options_of_numpy_and_torch_are_taken_as_plain_values(small_run: Path) -> None:
    predictor = Predictor.from_checkpoint(
        small_run,
        device=torch.device("cpu"),
        backend=TORCH,
        short_side=np.int64(32),
        batch_size=np.int64(2),
        flip=np.bool_(True),
        scales=np.array([1.0]),
        window=(np.int64(32), 32),
        overlap=np.float32(0.25),
        confidence=np.bool_(False),
    )
    assert predictor.trained.short_side == 32 and type(predictor.trained.short_side) is int
    plain = Predictor.from_checkpoint(
        small_run, device="cpu", backend=TORCH, short_side=32, flip=True, window=32
    )
    batch = pictures(1)
    assert predictor(batch).confidence is None
    assert (predictor(batch).labels == plain(batch).labels).mean() > 0.99


def test_what_is_no_picture_is_refused_in_one_line(small_run: Path) -> None:
    predictor = Predictor.from_checkpoint(small_run, device="cpu", backend=TORCH)
    with pytest.raises(ConfigError, match="not float64"):
        predictor(pictures(1) / 255)
    for shape in ((40, 56), (40, 56, 4), (0, 40, 56, 3)):
        with pytest.raises(ConfigError, match="is no picture for this network"):
            predictor(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"short_side": 0}, "network.short_side=0: must be a whole number of pixels, at least 1"),
        ({"short_side": "a"}, "network.short_side=a: must be a whole number"),
        ({"scales": 1.0}, "network.scales=1.0: must be a list"),
        ({"scales": ["a"]}, r"network.scales=\[a\]: must be a list"),
        ({"scales": []}, "network.scales=.*at least one item"),
        ({"window": 64, "overlap": "a"}, "network.overlap=a: must be a number"),
        ({"window": 31}, "network.window=31: must be a side"),
        ({"flip": 1}, "network.flip=1: must be true, false or auto"),
        ({"batch_size": 0}, "network.batch_size=0: must be a whole number"),
        ({"batch_size": 2.5}, "network.batch_size=2.5: must be a whole number"),
        ({"precision": "half"}, "network.precision=half: must be auto, float32"),
        ({"confidence": "no"}, "confidence=no: must be true or false"),
        ({"refine": "smooth"}, "refine=smooth: must be a group of keys"),
        ({"backend": "torch"}, "backend=torch: must be a group of keys"),
        ({"backend": {"nam": "torch"}}, "backend.nam: no such config key; did you mean"),
        ({"label_map": ["a"]}, "label_map=.*must be text"),
        ({"device": None}, "device=null: must be auto, cpu"),
    ],
)
def test_an_option_of_another_type_is_refused_before_the_checkpoint_is_read(
    options: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"^{said}"):
        Predictor.from_checkpoint(tmp_path / "none", **options)


def test_the_example_of_the_guide_runs(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    text = (ROOT / "docs" / "pictures.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    assert "Predictor.from_checkpoint" in code
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "NAME").symlink_to(small_run)
    Image.fromarray(pictures(1)[0]).save("photo.jpg")
    names: dict[str, object] = {}
    exec(code, names)
    assert 0 <= float(names["share"]) <= 1
