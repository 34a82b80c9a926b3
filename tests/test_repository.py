"""What the repository promises about itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.tiers import keep_few

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINTS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


EXTRAS = PROJECT["optional-dependencies"]


def requirements() -> list[str]:
    extras = [wanted for name, wanted in EXTRAS.items() if name != "all"]
    return [*PROJECT["dependencies"], *(requirement for extra in extras for requirement in extra)]


def test_the_extra_all_is_every_other_but_the_tests() -> None:
    (every,) = EXTRAS["all"]
    assert set(every.removeprefix("outtake[").rstrip("]").split(",")) == EXTRAS.keys() - {
        "dev",
        "all",
    }


@pytest.mark.parametrize("requirement", requirements())
def test_every_dependency_is_pinned_within_its_bounds(requirement: str) -> None:
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    pinned = {normal(name): version for name, version in CONSTRAINTS.items()}
    assert normal(wanted.name) in pinned
    assert wanted.specifier.contains(pinned[normal(wanted.name)])


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    assert CONSTRAINTS["torch"] == "2.14.1" and CONSTRAINTS["torchvision"] == "0.29.1"


def test_conda_installs_the_same_project_extras_and_pins() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, through_pip = environment["dependencies"]
    assert python.removeprefix("python ") == PROJECT["requires-python"]
    assert pip == "pip"
    constraint, project = through_pip["pip"]
    assert (ROOT / constraint.split()[1]).samefile(ROOT / "constraints.txt")
    extras = re.fullmatch(r"--editable \.\[(.*)\]", project)
    assert extras and set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    makefile = (ROOT / "Makefile").read_text()
    assert f'--editable ".[{extras[1]}]"' in makefile, "make and conda install the same extras"


@pytest.mark.parametrize(
    "script",
    keep_few(
        [
            "train.py",
            "evaluate.py",
            "infer_video.py",
            "predict.py",
            "sweep.py",
            "compare.py",
            "export.py",
        ],
        ["train.py", "infer_video.py", "compare.py"],
    ),
)
def test_help_is_quick_and_says_how_to_use_it(script: str) -> None:
    began = os.times()
    done = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and f"{as_command(script)} " in done.stdout
    assert "torch" not in done.stderr
    used = os.times()
    spent_s = used.children_user + used.children_system
    spent_s -= began.children_user + began.children_system
    assert spent_s < 1.5, "CPU seconds, so that a busy machine does not matter"


def as_command(script: str) -> str:
    return f"outtake {script.removesuffix('.py').replace('_', '-')}"


def test_examples_name_the_command_that_every_user_has() -> None:
    scripts = "|".join(path.stem for path in ROOT.glob("*.py"))
    shown = re.compile(rf"python ({scripts})\.py|^app_name: ({scripts})\.py", re.MULTILINE)
    places = [*PAGES, *ROOT.glob("conf/**/*.yaml")]
    lines = [
        f"{path.name}: {line}"
        for path in places
        for line in path.read_text().splitlines()
        if shown.search(line) and "in a checkout" not in line.lower()
    ]
    assert not lines


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


def test_every_link_between_documents_leads_somewhere() -> None:
    named = {page: anchors(page) for page in PAGES}
    lost = []
    for page in PAGES:
        lines = [line for line in page.read_text().splitlines() if not line.startswith("    ")]
        for link in re.findall(r"\]\(([^)\s]+)\)", "\n".join(lines)):
            name, _, anchor = link.partition("#")
            aim = (page.parent / name).resolve() if name else page
            if "://" in link or (aim.exists() and (not anchor or anchor in named.get(aim, ()))):
                continue
            lost.append(f"{page.name}: {link}")
    assert not lost


def test_help_does_not_import_torch() -> None:
    code = "import sys; import train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_no_tracked_file_is_large() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    large = [path for path in paths if path.is_file() and path.stat().st_size > 300_000]
    assert not large


@pytest.mark.parametrize(
    "group",
    [
        "augment", "backbone", "backend", "callbacks", "data", "logger", "loss", "metrics", "model",
        "normalize", "optimizer", "refine", "remover", "scheduler", "supervision", "trainer",
    ],
)  # fmt: skip
def test_the_readme_names_every_option_of_a_group(group: str) -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if f"`{group}`" in line]
    named = {name for row in rows for name in re.findall(r"`([\w/-]+)`", row)}
    options = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
    options = {name for name in options if not name.startswith("torchvision_")}  # named by one
    assert options and options <= named


def test_the_page_on_installing_names_every_extra() -> None:
    named = set(re.findall(r"`([\w-]+)`", (ROOT / "docs/install.md").read_text()))
    assert EXTRAS.keys() <= named
