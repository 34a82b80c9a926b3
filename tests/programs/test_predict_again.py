"""Several calls into one folder: nothing of another picture, and nothing of the user, is lost."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import compose
from outtake.core.errors import OutputError
from outtake.pictures import predict_pictures
from outtake.programs.predict import predict

REMOVAL = ("regions=[{box:[0,0,2,2]}]", "remover=solid")


def write(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (shade, shade, shade)).save(path)
    return path


def run(source: Path, out: Path, *overrides: str) -> None:
    predict(compose("predict", [f"input={source}", f"output={out}", *overrides]))


def shade_of(path: Path) -> int:
    return int(np.asarray(Image.open(path).convert("RGB"))[-1, -1, 0])


@pytest.fixture
def days(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of a camera, which counts from 1 in each."""
    write(tmp_path / "day1/IMG_1.png", 10)
    write(tmp_path / "day1/IMG_2.png", 20)
    write(tmp_path / "day2/IMG_1.png", 99)
    return tmp_path / "day1", tmp_path / "day2"


def test_a_picture_of_the_same_name_from_another_folder_is_refused(
    days: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(days[0], out, *REMOVAL)
    with pytest.raises(OutputError, match=r"has IMG_1.png of another picture, .*overwrite=true"):
        run(days[1], out, *REMOVAL)
    assert shade_of(out / "removed/IMG_1.png") == 10
    run(days[1], out, *REMOVAL, "overwrite=true")
    assert shade_of(out / "removed/IMG_1.png") == 99
    assert shade_of(out / "removed/IMG_2.png") == 20
    lines = (out / "predictions.jsonl").read_text().splitlines()[1:]
    found = {entry["picture"]: entry["source"] for entry in map(json.loads, lines)}
    assert found == {"IMG_1.png": "../day2/IMG_1.png", "IMG_2.png": "../day1/IMG_2.png"}
    assert len(lines) == 2


def test_another_picture_of_equal_size_and_time_is_not_taken_for_the_first(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    first, second = write(tmp_path / "1/a.bmp", 10), write(tmp_path / "2/a.bmp", 99)
    shutil.copystat(first, second)
    run(first, out, *REMOVAL)
    with pytest.raises(OutputError, match="of another picture"):
        run(second, out, *REMOVAL)


@pytest.mark.parametrize("moved", ["both", "pictures", "output"])
def test_folders_that_were_moved_are_known(
    moved: str, days: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = days[0], tmp_path / "out"
    run(source, out, *REMOVAL)
    (tmp_path / "new/place").mkdir(parents=True)
    if moved != "output":
        source = Path(shutil.move(source, tmp_path / "new/place/day1"))
    if moved != "pictures":
        out = Path(shutil.move(out, tmp_path / "new/place/out"))
    run(source, out, *REMOVAL)
    assert "2 of 2 pictures are finished already" in capsys.readouterr().out
    if moved == "both":
        write(source / "IMG_1.png", 77)
        run(source, out, *REMOVAL)
        assert shade_of(out / "removed/IMG_1.png") == 77


def test_files_of_the_user_stay_whatever_format_a_picture_comes_back_in(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = write(tmp_path / "in/x.gif", 10).parent
    mine = out / "removed/x.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"x\.png exists, and no predictions.jsonl beside it"):
        run(source, out, *REMOVAL)
    assert mine.read_bytes() == b"mine" and not (out / "predictions.jsonl").exists()
    mine.rename(out / "removed/x.gif")  # in nobody's way
    run(source, out, *REMOVAL)
    assert (out / "removed/x.gif").read_bytes() == b"mine"
    (out / "removed/y.png").write_bytes(b"mine too")  # beside a record by now
    write(source / "y.png", 20)
    with pytest.raises(OutputError, match=r"y\.png exists"):
        run(source, out, *REMOVAL)
    run(source, out, *REMOVAL, "overwrite=true")
    assert shade_of(out / "removed/y.png") == 20


def test_what_another_picture_became_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(write(tmp_path / "in/x.gif", 10), out, *REMOVAL)
    other = write(tmp_path / "in/x.png", 99)
    with pytest.raises(OutputError, match=r"x\.png was made of another picture, x\.gif"):
        run(other, out, *REMOVAL)
    run(other, out, *REMOVAL, "overwrite=true")
    lines = (out / "predictions.jsonl").read_text().splitlines()[1:]
    assert [json.loads(line)["picture"] for line in lines] == ["x.png"]


def test_half_a_picture_that_an_interruption_left_is_made_whole(
    days: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    make = predict_pictures._make

    def interrupted(*given):
        make(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(predict_pictures, "_make", interrupted)
        with pytest.raises(KeyboardInterrupt, match="0 of 2 pictures are finished"):
            run(days[0], out, *REMOVAL)
    assert (out / "removed/IMG_1.png").exists()
    with pytest.raises(OutputError, match="of another picture"):
        run(days[1], out, *REMOVAL)
    run(days[0], out, *REMOVAL)
    assert shade_of(out / "removed/IMG_2.png") == 20


def test_shares_are_of_the_pictures_of_all_calls(
    days: tuple[Path, Path], tmp_path: Path, tiny_run: Path
) -> None:
    out, other = tmp_path / "out", write(tmp_path / "more/IMG_10.png", 30)
    for folder in (tmp_path / "day1", tmp_path / "more"):
        for path in folder.iterdir():  # in the channels of the network
            Image.open(path).convert("RGB").resize((32, 32)).save(path)
    network = (f"checkpoint={tiny_run}", "backend=torch", "device=cpu", "outputs=[shares]")
    run(other.parent, out, *network)
    run(days[0], out, *network)
    names = ["IMG_1.png", "IMG_2.png", "IMG_10.png"]
    with (out / "shares.csv").open() as file:
        assert [row["picture"] for row in csv.DictReader(file)] == names
    assert list(json.loads((out / "shares.json").read_text())["pictures"]) == names
    write(tmp_path / "third/IMG_1.png", 50)
    with pytest.raises(OutputError, match="of another picture"):
        run(tmp_path / "third", out, *network)
