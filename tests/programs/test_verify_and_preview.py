"""What ``outtake verify`` and ``outtake preview`` leave, and the exit code that CI asks for."""

from __future__ import annotations

import json
import shutil
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.core.errors import DataRootError, OutputError
from outtake.data.source import DataChoice, DataWarning
from outtake.programs.command_line import run_program
from outtake.programs.preview import preview
from outtake.programs.verify import verify
from tests.data.generated import label_map, picture, save


def given(root, *more):
    return [f"data.root={root}", *more]


@pytest.fixture
def pairs(tmp_path):
    for offset, (split, count) in enumerate((("train", 3), ("val", 2))):
        for number in range(count):
            seed = 100 * offset + number
            save(tmp_path / "set" / split / "images" / f"{split}{number:02}.png", picture(seed))
            save(tmp_path / "set" / split / "masks" / f"{split}{number:02}.png", label_map(seed))
    return tmp_path / "set"


def test_a_clean_set_passes_and_a_broken_one_does_not(pairs, tmp_path, capsys):
    output = tmp_path / "found"
    assert verify(compose("verify", given(pairs, f"output={output}")))
    assert "no defect" in capsys.readouterr().out
    save(pairs / "val/masks/val01.png", label_map(0, (20, 30)))
    (pairs / "val/images/notes.psd").write_text("8BPS")
    assert not verify(compose("verify", given(pairs, f"output={output}")))
    assert verify(compose("verify", given(pairs, f"output={output}", "fail_on=never")))
    record = json.loads((output / "defects.json").read_text())
    assert record["kinds"] == {"size": 1, "left_out": 1} and (output / "report.html").is_file()
    line, other = capsys.readouterr().out.splitlines()[:2]
    assert other.startswith("warning: files that are left out: left out in") and "psd" in other
    assert line.startswith("error: image and mask of different sizes: ") and "val01.png" in line


def test_two_folders_are_written_about_under_two_names(pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pairs, tmp_path / "other")
    for root in ("set", "other"):
        assert verify(compose("verify", given(root)))
        preview(compose("preview", given(root, "samples=1", "variants=0")))
        assert (tmp_path / f"folder-{root}-verification/defects.json").is_file()
        assert (tmp_path / f"folder-{root}-preview.png").is_file()


def test_what_mends_soft_edges_is_said_once(tmp_path, capsys):
    for number in range(3):
        mask = np.zeros((60, 60), np.uint8)
        cv2.circle(mask, (30, 30), 14, 255, -1)
        save(tmp_path / f"train/masks/{number}.png", cv2.GaussianBlur(mask, (5, 5), 0))
        save(tmp_path / f"train/images/{number}.png", picture(number, (60, 60)))
    cfg = given(tmp_path, f"output={tmp_path / 'found'}")
    assert not verify(compose("verify", cfg))
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("data.source.soft_edges=nearest") == 1, printed


def test_a_set_without_val_has_one_that_is_made_up_or_one_line_of_advice(pairs, tmp_path, capsys):
    shutil.rmtree(pairs / "val")
    output = f"output={tmp_path / 'found'}"
    with pytest.warns(DataChoice, match="set has no val: 1 of its 3 training images"):
        verify(compose("verify", given(pairs, output)))
    capsys.readouterr()
    verify(compose("verify", given(pairs, output, "data.source.val_fraction=null")))
    (line,) = (each for each in capsys.readouterr().out.splitlines() if "no val split" in each)
    assert "which has: train; what mends it: data.source.val_fraction=0.2, or add" in line
    assert line.count("val_fraction") == 1


def test_a_data_set_that_cannot_be_opened_is_one_line(tmp_path):
    with pytest.raises(DataRootError, match="no such data root"):
        verify(compose("verify", given(tmp_path / "nowhere", f"output={tmp_path / 'found'}")))
    with pytest.raises(DataRootError, match="needs the folder"):
        verify(compose("verify", ["data=cityscapes", *given(tmp_path, f"output={tmp_path}/found")]))
    assert not (tmp_path / "found").exists()


def test_a_preview_has_a_row_for_each_sample(pairs, tmp_path, capsys):
    sizes = []
    for samples, variants in ((1, 0), (2, 0), (2, 2)):
        output = tmp_path / f"{samples}{variants}.png"
        more = (f"samples={samples}", f"variants={variants}", f"output={output}", "width=100")
        preview(compose("preview", given(pairs, *more)))
        sizes.append(Image.open(output).size)
    assert "of their labelled pixels black or white" in capsys.readouterr().out
    assert sizes[1][1] > sizes[0][1] and sizes[2][0] - sizes[1][0] == 2 * (100 + 10)
    with pytest.raises(OutputError, match=r"ends in .png"):
        preview(compose("preview", given(pairs, "output=sheet.jpg")))


def test_a_warning_for_the_user_is_one_line_without_the_place_in_the_source(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    run_program(lambda: None)
    own = warnings.formatwarning(DataWarning("three files\n are left out"), DataWarning, "a.py", 7)
    assert own == "warning: three files are left out\n"
    other = warnings.formatwarning(UserWarning("deprecated"), UserWarning, "a.py", 7)
    assert other == "a.py:7: UserWarning: deprecated\n"
