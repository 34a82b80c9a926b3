"""The floors: imports go downward only, and Hydra stays at the top."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "outtake"
FLOORS = {
    **dict.fromkeys(
        ("types", "labels", "errors", "files", "locks", "processors", "memory", "ranges"), 0
    ),
    **dict.fromkeys(("containers", "onnx_providers"), 0),
    **dict.fromkeys(("visualize", "charts", "data", "models", "video", "removal"), 1),
    **dict.fromkeys(("training", "inference", "engine"), 2),
    **dict.fromkeys(("build", "checkpoint", "experiments"), 3),
    "apps": 4,
}
HYDRA_ALLOWED = {"build", "checkpoint", "apps"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(module: str) -> str | None:
    names = module.split(".")
    return names[1] if names[0] == "outtake" and len(names) > 1 and names[1] in FLOORS else None


def own_part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def may_import(own: str, other: str) -> bool:
    below = FLOORS[other] < FLOORS[own]
    return below or other == "visualize" or FLOORS[own] == FLOORS[other] in (0, 3)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_downward_only(path: Path) -> None:
    own = own_part(path)
    assert own in FLOORS, f"{own} has no floor: give it one here and in docs/architecture.md"
    for module in imports(path):
        other = part(module)
        if other is None or other == own:
            continue
        assert may_import(own, other), (
            f"{own} (floor {FLOORS[own]}) imports {module} (floor {FLOORS[other]})"
        )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_hydra_and_omegaconf_stay_where_config_meets_mechanism(path: Path) -> None:
    used = {module.split(".")[0] for module in imports(path)} & {"hydra", "omegaconf"}
    assert not used or own_part(path) in HYDRA_ALLOWED, f"{path.name} imports {used}"


def test_a_breach_would_be_seen(tmp_path: Path) -> None:
    breach = tmp_path / "breach.py"
    breach.write_text("from outtake.apps.train import train\nimport hydra\n")
    assert not may_import("data", "apps") and not may_import("data", "models")
    assert may_import("apps", "data") and may_import("data", "labels")
    assert "apps" in {part(module) for module in imports(breach)}
    assert "hydra" in set(imports(breach))
