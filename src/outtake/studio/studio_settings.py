"""What the studio may open and how much it takes, as ``conf/studio.yaml`` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudioSettings:
    """The bounds of a studio.

    Attributes:
        home: The folder in which new projects are made.
        roots: The folders below which clips, projects and masks may be opened from the page.
        upload_mib: The largest clip that may be sent.
        import_mib: The largest zip of masks that may be sent.
        classes: The classes of new projects.
    """

    home: Path = Path()
    roots: tuple[Path, ...] = (Path(),)
    upload_mib: int = 2048
    import_mib: int = 512
    classes: tuple[str, ...] = ("background", "object")
