"""Read a table of samples: which image has which mask, and in which split."""

from __future__ import annotations

import csv
from collections import Counter
from os.path import splitext
from pathlib import Path

from outtake.core.errors import DataRootError, EmptySplitError, PairingError
from outtake.core.printable_text import list_some
from outtake.data.decode_files import is_lossy
from outtake.data.pair_files import MissingMasks, lossy_mask_error, say_unmasked
from outtake.data.source import SPLITS, Sample
from outtake.data.split_names import parse_split

COLUMNS = ("split", "image", "mask")


def read_csv(
    path: Path, missing_masks: MissingMasks = "error", *, lossy_masks: bool = False
) -> dict[str, list[Sample]]:
    """Read a table of samples with the columns ``split, image, mask``.

    Without the column ``split`` every row is ``train``. Paths are relative to the table.

    Args:
        path: The table.
        missing_masks: What becomes of rows without a mask, as in
            :func:`outtake.data.pair_files.complete_pairs`.
        lossy_masks: Allow masks in formats that change values, such as JPEG.

    Raises:
        DataRootError: The file or a column is missing, or a split has another name.
        EmptySplitError: The table has no rows.
        PairingError: A row names a file that does not exist, or no mask where it needs one, or an
            image is listed twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines, skipinitialspace=True)
            columns = [name.strip().lower() for name in table.fieldnames or ()]
            table.fieldnames = columns
            rows = list(table)
    except OSError as error:
        raise DataRootError(
            f"cannot read the table {path}: {error.strerror}; set data.source.csv=PATH"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataRootError(f"the table {path} is not a csv in UTF-8: {error}") from error
    if not {"image", "mask"} <= set(columns):
        raise DataRootError(
            f"the table {path} has the columns {', '.join(columns) or 'none'}; "
            f"it needs {', '.join(COLUMNS)}"
        )
    if not rows:
        raise EmptySplitError(f"the table {path} has no rows below its header")
    return _group_by_split(path, rows, missing_masks, lossy_masks)


def _group_by_split(
    path: Path, rows: list[dict[str, str]], missing_masks: MissingMasks, lossy_masks: bool
) -> dict[str, list[Sample]]:
    splits: dict[str, list[Sample]] = {}
    missing: list[str] = []
    unmasked: list[str] = []
    for line, row in enumerate(rows, start=2):
        split = _parse_split(path, line, row.get("split", "train"))
        image_cell, mask_cell = ((row[key] or "").strip() for key in ("image", "mask"))
        image, mask = path.parent / image_cell, path.parent / mask_cell
        files = [image, mask] if mask_cell else [image]
        missing += [f"{file} (line {line})" for file in files if not file.is_file()]
        if not lossy_masks and is_lossy(mask):
            raise lossy_mask_error(mask)
        name = splitext(Path(image_cell).as_posix())[0]
        if not mask_cell:
            unmasked.append(f"{name} (line {line})")
        if mask_cell or missing_masks != "skip":
            sample = Sample(name, str(image), str(mask) if mask_cell else "")
            splits.setdefault(split, []).append(sample)
    if missing:
        raise PairingError(
            f"{len(missing)} files of the table {path} do not exist: {list_some(sorted(missing))}; "
            "paths are relative to the table's folder"
        )
    if unmasked and missing_masks == "error":
        raise PairingError(
            f"{len(unmasked)} rows of the table {path} name no mask: "
            f"{list_some(sorted(unmasked))}; name one, or set data.source.missing_masks to skip, "
            "background or unlabelled"
        )
    say_unmasked(unmasked, path, missing_masks)
    if not splits:
        raise EmptySplitError(f"no row of the table {path} names a mask; name some")
    for split, samples in splits.items():
        samples.sort(key=lambda sample: sample.id)
        repeated = [
            name for name, count in Counter(sample.id for sample in samples).items() if count > 1
        ]
        if repeated:
            raise PairingError(
                f"images of the split {split} in the table {path} come more than once: "
                f"{list_some(sorted(repeated))}; keep one row each"
            )
    return splits


def _parse_split(path: Path, line: int, raw_name: str | None) -> str:
    name = (raw_name or "").strip()
    if split := parse_split(name):
        return split
    raise DataRootError(
        f"line {line} of the table {path} has the split {name!r}; "
        f"the splits are: {', '.join(SPLITS)}"
    )
