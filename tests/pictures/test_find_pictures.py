from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest
from PIL import Image

from outtake.core.errors import ConfigError, DataRootError, OutputError
from outtake.pictures.find_pictures import find_pictures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos [1]"
    for name in ("a2.png", "a10.png", "sub/b.jpg", "sub/b.png", "sub/deep/c.webp"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(path)
    (folder / "old.psd").write_bytes(b"8BPS")
    return folder


def test_a_folder_keeps_names_and_subfolders_and_says_what_it_leaves_out(photos: Path) -> None:
    found = find_pictures(str(photos), photos.parent / "out")
    assert [file.name for file in found.files] == [
        "a2", "a10", "sub/b.jpg", "sub/b.png", "sub/deep/c",
    ]  # fmt: skip
    notes = " ".join(found.notes)
    assert "old.psd" in notes and "differ in their suffix alone" in notes


def test_globs_keep_what_is_below_their_fixed_part(photos: Path) -> None:
    plain = photos.rename(photos.parent / "photos")
    found = find_pictures(f"{plain}/*/b.*", plain / "out")
    assert [str(file.relative) for file in found.files] == ["sub/b.jpg", "sub/b.png"]
    folders = find_pictures(f"{plain}/su*", plain / "out")
    assert [file.name for file in folders.files] == ["sub/b.jpg", "sub/b.png", "sub/deep/c"]


def test_what_was_written_into_the_folder_before_is_no_picture_of_the_request(
    photos: Path,
) -> None:
    out = photos / "out"
    (out / "labels").mkdir(parents=True)
    Image.new("L", (8, 6)).save(out / "labels" / "a2.png")
    assert len(find_pictures(str(photos), out).files) == 5


def test_what_cannot_work_is_said(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataRootError, match="no such picture"):
        find_pictures(str(tmp_path / "none"), out)
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(ConfigError, match="is a video"):
        find_pictures(str(tmp_path / "clip.mp4"), out)
    with pytest.raises(DataRootError, match="none of them a picture"):
        find_pictures(f"{tmp_path}/*.mp4", out)
    with pytest.raises(OutputError, match="would both become a2"):
        find_pictures([str(photos), str(copy_of(photos / "a2.png", tmp_path))], out)
    with pytest.raises((OutputError, DataRootError), match="output="):
        find_pictures(str(photos), photos)


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        (["IMG.jpg", "IMG.jpg.png", "IMG.png"], ["IMG.jpg", "IMG.jpg_2", "IMG.png"]),
        (["a.jpg", "a.jpg.jpg", "a.jpg.png", "a.png"], ["a.jpg", "a.jpg_2", "a.jpg_3", "a.png"]),
        (["A.jpg", "a.png"], ["A.jpg", "a.png"]),
        (["B.png", "b.PNG", "b_2.png"], ["B.png", "b_3", "b_2"]),
        (["caf\u00e9.png", "cafe\u0301.png"], ["cafe\u0301.png", "caf\u00e9_2"]),
        (["x.jpg", "y.jpg.png"], ["x", "y.jpg"]),
    ],
)
def test_no_two_pictures_share_the_name_of_what_is_made(
    pictures: list[str], expected: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in pictures:
        Image.new("RGB", (4, 4)).save(folder / name)
    if len(list(folder.iterdir())) < len(pictures):
        pytest.skip("this file system ignores case or normal forms")
    found = find_pictures(str(folder), tmp_path / "out")
    assert sorted(file.name for file in found.files) == sorted(expected)
    # A removal keeps the format, or makes a PNG.
    seen: set[str] = set()
    for file in found.files:
        same = file.name if file.name == str(file.relative) else file.name + file.path.suffix
        made = {normalize("NFC", name).casefold() for name in (same, f"{file.name}.png")}
        assert not made & seen
        seen |= made


def test_a_number_in_a_name_has_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("IMG.jpg", "IMG.png", "IMG.jpg.png"):
        Image.new("RGB", (4, 4)).save(folder / name)
    notes = find_pictures(str(folder), tmp_path / "out").notes
    assert any("1, as IMG.jpg.png, which is IMG.jpg_2.png" in note for note in notes)


def copy_of(path: Path, folder: Path) -> Path:
    target = folder / path.name
    target.write_bytes(path.read_bytes())
    return target


def test_standard_streams_are_no_pictures(photos: Path) -> None:
    with pytest.raises(DataRootError, match=r"^input=-: pictures are files"):
        find_pictures("-", photos / "out")
    with pytest.raises(OutputError, match=r"^output=-: pictures go into a folder"):
        find_pictures(str(photos), Path("-"))
