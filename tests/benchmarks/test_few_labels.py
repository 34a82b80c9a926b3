from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.training import few_labels
from outtake.data.camvid import UNLABELLED, CamVid
from outtake.data.image_files import read_raw_mask
from outtake.data.unlabelled import LabelledShare
from outtake.pictures.write_predictions import save_label_map


def test_networks_label_what_people_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, output = tmp_path / "camvid", tmp_path / "labelled"
    for split, count in (("train", 4), ("val", 1)):
        for kind in (split, f"{split}annot"):
            (root / kind).mkdir(parents=True)
        for number in range(count):
            name = f"0016E5_{number}.png"
            cv2.imwrite(str(root / split / name), np.full((4, 6, 3), number, np.uint8))
            cv2.imwrite(str(root / f"{split}annot" / name), np.full((4, 6), 5, np.uint8))
    source = LabelledShare(CamVid(str(root)), 0.25)

    def predict(program: str, *arguments: str) -> None:
        assert program == "predict.py" and "checkpoint=[/a,/b]" in arguments
        (output / "predicted" / "labels").mkdir(parents=True, exist_ok=True)
        labels = np.full((4, 6), 3, np.uint8)
        labels[0] = source.labels.ignore_index  # of which it was not sure
        for picture in (output / "unlabelled").iterdir():
            path = output / "predicted" / "labels" / picture.name
            save_label_map(path, labels, source.labels)

    monkeypatch.setattr(few_labels, "run_program", predict)
    for _ in range(2):  # the second time over what the first one left
        few_labels.write_pseudo_labels(source, [Path("/a"), Path("/b")], output, 0.6, "bfloat16")
    made = CamVid(str(output))
    (known,) = source.samples("train")
    assert len(made.samples("train")) == 4 and len(made.samples("val")) == 1
    for sample in made.samples("train"):
        expected = np.full((4, 6), 5 if sample.id == known.id else 3, np.uint8)
        if sample.id != known.id:
            expected[0] = UNLABELLED
        assert np.array_equal(read_raw_mask(sample.mask), expected)
        assert made.read_mask(sample).shape == (4, 6)
    for mask in (root / "trainannot").iterdir():
        assert (read_raw_mask(mask) == 5).all()
