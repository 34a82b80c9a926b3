"""The program that changes the notes of runs: tags, a remark, a group, hidden or not."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.files import check_folder
from outtake.core.printable_text import to_printable
from outtake.pages.comparison.find_runs import find_runs
from outtake.runs.run_folder import RunFolder
from outtake.runs.run_notes import RunNotes


def tag_runs(
    paths: Sequence[Path],
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    group: str | None = None,
    note: str | None = None,
    hide: bool | None = None,
) -> list[tuple[str, RunNotes]]:
    """Change the notes of some runs; what is None stays.

    Args:
        paths: Run folders, or folders that hold some.
        add: Tags to add.
        remove: Tags to take away.
        group: The name of their group; empty for none.
        note: The remark; empty for none.
        hide: Whether comparisons and the live page leave them out.

    Returns:
        The name of each run with its notes as they are now.

    Raises:
        ConfigError: There is no such run, or a text is too long.
        OutputError: A run folder cannot be written; nothing was changed then.
    """
    folders = [(RunFolder(path), name) for path, name in find_runs([p.expanduser() for p in paths])]
    absent = [str(path) for path in paths if not path.expanduser().is_dir()]
    absent += [name for folder, name in folders if not (folder.path / "config.yaml").is_file()]
    if absent:
        raise ConfigError(
            f"{absent[0]}: no such run; give run folders of outtake train, as in runs/*"
        )
    changed = bool(add or remove) or any(each is not None for each in (group, note, hide))
    for folder, _ in folders if changed else ():
        check_folder(folder.path)
    found, changes = [], []
    for folder, name in folders:
        notes = folder.read_notes()
        if changed:
            tags = [tag for tag in dict.fromkeys([*notes.tags, *add]) if tag not in remove]
            notes = RunNotes(
                tuple(tags),
                notes.group if group is None else group,
                notes.note if note is None else note,
                notes.hide if hide is None else hide,
            )
            changes.append((folder, notes))
        found.append((name, notes))
    for _, notes in changes:
        notes.check_size()
    for folder, notes in changes:
        folder.write_notes(notes)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="outtake tag",
        description="Note something on runs, or show what is noted: "
        "outtake tag runs/a runs/b --add baseline --group ablation --note 'lr too high'",
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, or folders holding some")
    parser.add_argument("--add", nargs="+", default=[], metavar="TAG", help="tags to add")
    parser.add_argument("--remove", nargs="+", default=[], metavar="TAG", help="tags to take away")
    parser.add_argument("--group", help='the group of the runs; "" for none')
    parser.add_argument("--note", help='a remark; "" for none')
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--hide", action="store_true", default=None, help="compare and watch leave them out"
    )
    shown.add_argument("--show", action="store_false", dest="hide", help="they show them again")
    given = parser.parse_intermixed_args()
    found = tag_runs(
        given.runs,
        add=given.add,
        remove=given.remove,
        group=given.group,
        note=given.note,
        hide=given.hide,
    )
    for name, notes in found:
        print(to_printable(_describe(name, notes)))


def _describe(name: str, notes: RunNotes) -> str:
    parts = [f"tags {', '.join(notes.tags)}" if notes.tags else "no tags"]
    parts += [f"group {notes.group}"] * bool(notes.group) + ["hidden"] * notes.hide
    parts += [f"note: {notes.note}"] * bool(notes.note)
    return f"{name}: {'; '.join(parts)}"
