"""The direction of imports: a package imports what stands before it, Hydra stays at the top."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "outtake"
# Each may import those before it. A package's own modules stand before its sub-packages, unless
# the sub-packages are listed.
ORDER = (
    "core",
    "annotations",
    "drawing",
    "data.synthetic",
    "data",
    "data.sources",
    "refine",
    "models",
    "motion",
    "video",
    "video.read",
    "video.write",
    "masking",
    "labelled_video",
    "removal",
    "removal.exemplar",
    "removal.clean_plate",
    "removal.stitching",
    "evaluation",
    "inference",
    "training",
    "training.losses",
    "training.supervision",
    "training.callbacks",
    "training.distributed",
    "config",
    "runs.dashboards",
    "runs",
    "pages",
    "pages.comparison",
    "pages.live",
    "sweeps",
    "pipeline",
    "pictures",
    "studio",
    "programs",
)
PLACE = {name: place for place, name in enumerate(ORDER)}
HYDRA, ALLOWED = ("hydra", "omegaconf"), ("config", "programs")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package(module: str) -> str | None:
    """The package that a module of Outtake lies in; None for a module of others."""
    top, _, rest = module.partition(".")
    if top != "outtake" or not rest or rest == "__version__":
        return None
    parts = rest.split(".")
    return next(
        (name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in PLACE), parts[0]
    )


def own_package(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).parent.parts)


def may_import(own: str, other: str) -> bool:
    return PLACE[other] <= PLACE[own]


def find_breaches(own: str, modules: Iterable[Path]) -> list[str]:
    """Return what modules of a package import that they may not."""
    found = []
    for path in modules:
        for module in imports(path):
            other = package(module)
            if other is not None and other not in PLACE:
                found.append(f"{path.name} imports {module}, which has no place")
            elif other is not None and not may_import(own, other):
                found.append(f"{path.name} imports {module}, which stands behind {own}")
            elif module.split(".")[0] in HYDRA and own.split(".")[0] not in ALLOWED:
                found.append(f"{path.name} imports {module}: only {ALLOWED} may")
    return found


@pytest.mark.parametrize("own", ORDER)
def test_modules_import_only_what_stands_before_them_and_hydra_where_it_is_allowed(
    own: str,
) -> None:
    assert not find_breaches(own, (path for path in MODULES if own_package(path) == own))


def test_faces_export_nothing() -> None:
    """Imports name the module that defines a thing: no two packages can import each other."""
    for face in PACKAGE.rglob("__init__.py"):
        if face != PACKAGE / "__init__.py":
            assert not list(imports(face)), f"{face} imports"


def test_every_package_has_a_place_and_every_place_a_package() -> None:
    found = {own_package(path) for path in MODULES}
    assert found == set(ORDER), "give each its place here and in docs/architecture.md"


def test_a_breach_would_be_seen(tmp_path: Path) -> None:
    breach = tmp_path / "breach.py"
    breach.write_text("from outtake.programs.train import train\nimport hydra\n")
    assert all(not may_import(first, second) for first, second in pairwise(ORDER))
    assert may_import("programs", "data") and may_import("data", "core")
    first, second, third = find_breaches("data", [breach])
    assert "outtake.programs.train, which stands behind data" in first
    assert "outtake.programs.train.train, which stands behind data" in second
    assert "imports hydra: only" in third
    assert not find_breaches("programs", [breach])
