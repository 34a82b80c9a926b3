"""Cache of exported models, next to their checkpoint."""

from __future__ import annotations

import json
import logging
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from outtake.core.errors import OutputError
from outtake.core.files import replace_file

log = logging.getLogger(__name__)

FORMAT_VERSION = 3  # raise it when exported graphs change their meaning
_METADATA_FILE = "about.json"
# A folder of pictures may have hundreds of sizes, and the model of each has its own weights.
SIZES_IN_MEMORY, SIZES_ON_DISK = 4, 8


class ExportCache:
    """Keeps the models that were exported from a checkpoint, under the checkpoint's SHA-256.

    Each model is one ``.zip`` of its files, so that it is written whole or not at all, and its
    checksums show damage. Of one kind, the models of the 8 image sizes that were made last are
    kept, and none of a checkpoint that had the same name before.

    Args:
        checkpoint: The file next to which models are kept.
        sha256: The SHA-256 of the checkpoint, hexadecimal.
        enabled: False exports every model again and keeps none.
    """

    def __init__(self, checkpoint: Path, sha256: str, *, enabled: bool = True) -> None:
        self._checkpoint = checkpoint
        self._sha256 = sha256
        self._enabled = enabled

    def path(self, name: str) -> Path:
        """Return the file of a model, such as ``best.0a1b2c3d4e5f.openvino-int8-180x320.zip``."""
        stem = self._checkpoint.stem
        return self._checkpoint.with_name(f"{stem}.{self._sha256[:12]}.{name}.zip")

    def get(self, name: str, make: Callable[[], Mapping[str, bytes]]) -> Mapping[str, bytes]:
        """Return the files of a model, from the cache or by ``make``.

        Args:
            name: The kind of model and, after the last dash, the size of its images.
            make: Returns the files by their names.
        """
        if not self._enabled:
            return make()
        path = self.path(name)
        try:
            return self._read(path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
            log.warning("%s cannot be used and is made again: %s", path, error)
        files = make()
        try:
            replace_file(path, lambda file: self._write(file, files))
        except OutputError as error:
            log.info("the exported model is not kept: %s", error)
        self._remove_outdated(name)
        return files

    def _remove_outdated(self, name: str) -> None:
        """Remove the models of earlier checkpoints, and of other sizes beyond those to keep."""
        kind = self.path(f"{name.rpartition('-')[0]}-").stem
        of_any = re.compile(rf"{re.escape(self._checkpoint.stem)}\.(?P<sha256>[0-9a-f]{{12}})\.\S+")
        try:
            beside = [*self._checkpoint.parent.glob("*.zip")]
            same = [path for path in beside if path.name.startswith(kind)]
            outdated = sorted(same, key=_modified_s)[:-SIZES_ON_DISK]
            written_s = _modified_s(self._checkpoint) if self._checkpoint.is_file() else 0.0
            for path in beside:
                found = of_any.fullmatch(path.stem)
                is_other = found is not None and found["sha256"] != self._sha256[:12]
                # What came after the file may belong to a process that still has what was before.
                if is_other and _modified_s(path) < written_s and _is_export(path):
                    outdated.append(path)
            for path in outdated:
                path.unlink(missing_ok=True)
        except OSError as error:  # another process may remove the same
            log.info("exported models beside %s stay: %s", self._checkpoint, error)

    def _read(self, path: Path) -> dict[str, bytes]:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(files.pop(_METADATA_FILE))
        if about != self._metadata():
            raise ValueError("it was made of another checkpoint or by another version")
        return files

    def _write(self, file: IO[bytes], files: Mapping[str, bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(_METADATA_FILE, json.dumps(self._metadata()))
            for name, content in files.items():
                archive.writestr(name, content)

    def _metadata(self) -> dict[str, object]:
        return {"format": FORMAT_VERSION, "checkpoint_sha256": self._sha256}


def _modified_s(path: Path) -> float:
    return path.stat().st_mtime


def _is_export(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return _METADATA_FILE in archive.namelist()
    except zipfile.BadZipFile:
        return False
