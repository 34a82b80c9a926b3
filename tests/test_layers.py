"""The direction of imports: a package imports what stands before it, Hydra stays at the top."""

from __future__ import annotations

import ast
from collections.abc import Iterator
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
HYDRA_ALLOWED = {"config", "programs"}
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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_before_it(path: Path) -> None:
    own = own_package(path)
    assert own in PLACE, f"{own} has no place: give it one here and in docs/architecture.md"
    for module in imports(path):
        other = package(module)
        if other is None:
            continue
        assert other in PLACE, f"{path.name} imports {module}, which has no place"
        assert may_import(own, other), f"{own} imports {module}, which stands behind it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_hydra_and_omegaconf_stay_where_config_meets_mechanism(path: Path) -> None:
    used = {module.split(".")[0] for module in imports(path)} & {"hydra", "omegaconf"}
    top = own_package(path).split(".")[0]
    assert not used or top in HYDRA_ALLOWED, f"{path.name} imports {used}"


def test_faces_export_nothing() -> None:
    """Imports name the module that defines a thing: no two packages can import each other."""
    for face in PACKAGE.rglob("__init__.py"):
        if face != PACKAGE / "__init__.py":
            assert not list(imports(face)), f"{face} imports"


def test_every_package_has_a_place_and_every_place_a_package() -> None:
    found = {own_package(path) for path in MODULES}
    assert found == set(ORDER)


def test_a_breach_would_be_seen(tmp_path: Path) -> None:
    breach = tmp_path / "breach.py"
    breach.write_text("from outtake.programs.train import train\nimport hydra\n")
    assert all(not may_import(first, second) for first, second in pairwise(ORDER))
    assert may_import("programs", "data") and may_import("data", "core")
    assert "programs" in {package(module) for module in imports(breach)}
    assert "hydra" in set(imports(breach))
