"""Which pictures a list of files, folders and globs stands for, and the names of what is made."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unicodedata import normalize

from outtake.core.errors import ConfigError, DataRootError, OutputError
from outtake.data.decode_files import IMAGE_SUFFIXES
from outtake.data.list_pictures import list_pictures
from outtake.video.read.inputs import STANDARD, VIDEO_SUFFIXES, is_glob, natural_sort_key
from outtake.video.read.open_media import suggest_nearby


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture and its place under the folder that was named.

    Attributes:
        path: The file.
        relative: Its path under that folder, with its suffix.
        name: The path of what is made of it under each output folder, without suffix; no two have
            one, whether or not case and the normal form of accents count.
    """

    path: Path
    relative: Path
    name: str


@dataclass(frozen=True, slots=True)
class FoundPictures:
    """The pictures of a request, and what is to be said about them.

    Attributes:
        files: The pictures, in natural order.
        notes: What was left out or named otherwise, one line each.
    """

    files: tuple[PictureFile, ...]
    notes: tuple[str, ...] = ()


def find_pictures(value: str | Sequence[str], output: Path) -> FoundPictures:
    """Return the pictures that files, folders and globs stand for.

    Args:
        value: One or several of these. Of a folder the pictures in its subfolders are taken too,
            and keep their place; of a glob, their place under its fixed part.
        output: The folder for what is made; what lies in it is no picture of the request.

    Raises:
        DataRootError: A file, folder or glob is not there, or holds no picture.
        ConfigError: A video is among them.
        OutputError: Two pictures would become one, or the output is the folder of the pictures, or
            standard output.
    """
    if str(output) == STANDARD:
        raise OutputError("output=-: pictures go into a folder; name one")
    entries = [value] if isinstance(value, str) else list(value)
    placed: dict[Path, Path] = {}
    notes: list[str] = []
    for entry in entries:
        for path, relative in _expand(entry, notes):
            if _lies_in(path, output):
                continue
            placed.setdefault(path, relative)
    if not placed:
        raise DataRootError(f"input={value}: all pictures lie in output={output}; name others")
    if any(_same_place(Path(entry).expanduser(), output) for entry in entries):
        raise OutputError(f"output={output} is the folder of the pictures; name another folder")
    _refuse_same_place(placed)
    ordered = sorted(placed.items(), key=lambda item: natural_sort_key(item[1]))
    names, renamed = _name_outputs([relative for _, relative in ordered])
    files = [
        PictureFile(path, relative, name)
        for (path, relative), name in zip(ordered, names, strict=True)
    ]
    doubles = [file for file in files if file.name == file.relative.as_posix() and file.path.suffix]
    if doubles:
        notes.append(
            f"{len(doubles)} pictures differ in their suffix alone (as {doubles[0].relative}): "
            f"what is made of them keeps it in its name, as {doubles[0].name}.png"
        )
    if renamed:
        notes.append(
            "what is made of pictures that would have the name of another, or of what is made of "
            f"it, has a number: {len(renamed)}, as {files[renamed[0]].relative}, which is "
            f"{names[renamed[0]]}.png"
        )
    return FoundPictures(tuple(files), tuple(notes))


def _name_outputs(relatives: Sequence[Path]) -> tuple[list[str], list[int]]:
    """Name what is made of each picture: without suffix, with it, or with a number.

    No two names are one where case or the normal form of accents does not count, and none with
    another suffix is a name that keeps its own.

    Returns:
        The names, and the places of those that have a number.
    """
    stems = [relative.with_suffix("").as_posix() for relative in relatives]
    shared = Counter(map(_fold, stems))
    names: dict[int, str] = {}
    taken: set[str] = set()
    kept_stems: set[str] = set()
    for index, relative in enumerate(relatives):
        name, stem = relative.as_posix(), _fold(stems[index])
        # Of what keeps its suffix, a copy in another format has one more: a.jpg and a.jpg.png.
        if shared[stem] > 1 and stem not in taken and _fold(name) not in taken | kept_stems:
            names[index] = name
            taken.add(_fold(name))
            kept_stems.add(stem)
    for index, stem in enumerate(map(_fold, stems)):
        if shared[stem] == 1 and stem not in taken:
            names[index] = stems[index]
            taken.add(stem)
    renamed = [index for index in range(len(relatives)) if index not in names]
    for index in renamed:
        numbered = (f"{stems[index]}_{number}" for number in count(2))
        names[index] = next(
            name for name in numbered if _fold(name) not in taken and not shared[_fold(name)]
        )
        taken.add(_fold(names[index]))
    return [names[index] for index in range(len(relatives))], renamed


def compose_accents(name: str) -> str:
    """Return a name in the normal form of Unicode in which each accent is a part of its letter."""
    return normalize("NFC", name)


def _fold(name: str) -> str:
    """Return a name as file systems see it that ignore case and normal forms."""
    return compose_accents(compose_accents(name).casefold())


def _expand(entry: str, notes: list[str]) -> list[tuple[Path, Path]]:
    """Return the pictures of one entry, each with its relative path."""
    path = Path(entry).expanduser()
    if path.is_dir():
        return _expand_folder(path, notes)
    if path.is_file():
        _refuse_video(path)
        return [(path, Path(path.name))]
    if entry == STANDARD:
        raise DataRootError("input=-: pictures are files; infer-video takes a clip that way")
    if not is_glob(entry):
        raise DataRootError(f"input={entry}: no such picture or folder{suggest_nearby(path)}")
    matches = [Path(found) for found in glob.glob(str(path), recursive=True)]
    base = _fixed_part(path)
    found: list[tuple[Path, Path]] = []
    others = 0
    for match in matches:
        if match.is_dir():
            continue
        if match.suffix.lower() in IMAGE_SUFFIXES:
            found.append((match, match.relative_to(base)))
        else:
            others += 1
    if not found:
        found = [
            (each, base_path / relative)
            for match in matches
            if match.is_dir()
            for base_path in [match.relative_to(base)]
            for each, relative in _expand_folder(match, notes)
        ]
    if not found:
        there = f"{len(matches)} files match, none of them a picture" if matches else "no match"
        raise DataRootError(f"input={entry}: {there}; check the folder and the suffix")
    if others:
        notes.append(f"{entry}: {others} files are no pictures and are left out")
    return found


def _expand_folder(folder: Path, notes: list[str]) -> list[tuple[Path, Path]]:
    listed = list_pictures(folder)
    if passed_over := listed.describe_passed_over():
        notes.append(passed_over)
    # Files of the same name with another suffix are pictures of their own here.
    paths = [*listed.pictures.values(), *(other for _, _, other in listed.repeated)]
    if not paths:
        videos = sum(each.suffix.lower() in VIDEO_SUFFIXES for each in folder.iterdir())
        hint = f"; for its {videos} videos there is infer-video" if videos else ""
        raise DataRootError(
            f"{folder} holds no picture ({', '.join(sorted(IMAGE_SUFFIXES))}){hint}"
        )
    return [(path, path.relative_to(folder)) for path in paths]


def _fixed_part(pattern: Path) -> Path:
    """Return the folder above the first part of a glob that has a wildcard."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if is_glob(part):
            break
        fixed /= part
    return fixed


def _refuse_video(path: Path) -> None:
    if path.suffix.lower() in VIDEO_SUFFIXES and path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ConfigError(f"input={path}: is a video; infer-video takes objects out of videos")


def _refuse_same_place(placed: dict[Path, Path]) -> None:
    first: dict[Path, Path] = {}
    for path, relative in placed.items():
        other = first.setdefault(relative, path)
        if other is not path:
            raise OutputError(
                f"{other} and {path} would both become {relative}; give them in runs of their own"
            )


def _lies_in(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder.absolute())


def _same_place(path: Path, output: Path) -> bool:
    return path.is_dir() and output.exists() and os.path.samefile(path, output)
