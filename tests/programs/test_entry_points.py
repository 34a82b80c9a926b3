"""The programs as a user starts them: from a checkout, and installed from a wheel anywhere."""

from __future__ import annotations

import importlib.util
import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.config.compose import CONF_DIR
from outtake.programs import hydra_programs
from outtake.programs.entry_points import PROGRAMS
from outtake.programs.print_help import asks_for_help

ROOT = CONF_DIR.parent


def call(
    *command: object, cwd: Path, path: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with only ``path`` or this checkout's source to import from."""
    environment = os.environ | {"PYTHONPATH": str(path or ROOT / "src")} | variables
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=cwd,
        env=environment,
    )


def outtake(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return call(sys.executable, "-m", "outtake.programs", *arguments, cwd=cwd, **variables)


def test_masks_of_ones_own_need_no_training_libraries() -> None:
    code = (
        "import sys, outtake.programs.infer_video, outtake.programs.predict;"
        "print({'pytorch_lightning', 'torchmetrics', 'albumentations'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_command_lists_its_programs_and_names_the_nearest(tmp_path: Path) -> None:
    listed = outtake("--help", cwd=tmp_path).stdout
    assert all(f"  {name} " in listed for name in PROGRAMS)
    assert outtake("--version", cwd=tmp_path).stdout == f"outtake {version('outtake')}\n"
    refused = outtake("trian", cwd=tmp_path)
    assert refused.returncode == 2 and "did you mean train?" in refused.stderr


def test_every_program_of_hydra_ends_its_work_in_order_at_ctrl_c() -> None:
    calls = [call for name, call in vars(hydra_programs).items() if name.startswith("call_")]
    assert len(calls) >= len(PROGRAMS) - 2  # compare and tag are without Hydra
    for each in calls:
        imports, work = inspect.getsource(each.__wrapped__).split("raise_at_interrupt()\n")
        assert "import " in imports and work.strip(), each.__name__


def test_every_program_has_a_script_in_the_root() -> None:
    for name in PROGRAMS:
        text = (ROOT / f"{name.replace('-', '_')}.py").read_text()
        assert f"run_{name.replace('-', '_')}()" in text
        assert name in ("compare", "tag") or "@hydra.main" in text, "tab completion looks for it"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("outtake ev", "evaluate"),
        (
            "outtake train optimizer=",
            "optimizer=adamw optimizer=lion optimizer=schedule_free_adamw "
            "optimizer=schedule_free_sgd optimizer=sgd",
        ),
        ("outtake export licen", "licence="),
    ],
)
def test_tab_completes_programs_groups_options_and_keys(
    typed: str, offered: str, tmp_path: Path
) -> None:
    line = {"COMP_LINE": typed, "COMP_POINT": str(len(typed))}
    done = outtake("-sc", "query=bash", cwd=tmp_path, **line)
    assert done.stdout.split() == offered.split(), done.stderr


def test_help_of_train_lists_its_own_groups_only(tmp_path: Path) -> None:
    listed = outtake("train", "--help", cwd=tmp_path).stdout
    lines = listed.splitlines()
    assert "  optimizer    adamw, lion, schedule_free_adamw, schedule_free_sgd, sgd" in lines
    assert "  supervision  distillation, fixmatch, supervised, unimatch" in lines
    assert "keras/vgg_segnet" in listed and "base/" not in listed
    assert lines[-2:] == ["", "All keys and values: outtake train --cfg job.  Guides: docs/"]
    assert not any(f"\n  {group} " in listed for group in ("remover", "backend", "sweep", "hydra"))


@pytest.mark.parametrize(
    ("arguments", "asks"),
    [
        (["--help"], True),
        (["model=unet", "-h"], True),
        (["model=unet"], False),
        (["--help", "--config-dir=mine"], False),
        (["--cfg", "job"], False),
    ],
)
def test_help_beside_other_options_of_hydra_is_left_to_it(arguments: list[str], asks: bool) -> None:
    assert asks_for_help(arguments) == asks


def test_help_shows_the_values_that_overrides_give(tmp_path: Path) -> None:
    shown = outtake("stitch", "mask.threshold=0.7", "--help", cwd=tmp_path).stdout
    assert "  threshold: 0.7\n" in shown and "hydra:" not in shown
    refused = outtake("stitch", "nothing_so=1", "--help", cwd=tmp_path)
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimzer.lr=1", "did you mean optimizer.lr?"),
        ("lr=1", "did you mean optimizer.lr?"),
        pytest.param("+data.batchsize=2", "did you mean data.batch_size?", marks=pytest.mark.full),
        pytest.param("+sheduler=null", "did you mean scheduler?", marks=pytest.mark.full),
        ("modle=unet", "did you mean model?"),
        ("model=unnet", "did you mean unet?"),
    ],
)
def test_what_is_misspelt_is_answered_with_the_nearest(
    override: str, said: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    printed = tmp_path_factory.mktemp("printed") / "here"
    done = ForkedProgram("train", [override], tmp_path, printed).finish()
    assert done.returncode == 2 and said in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel of this checkout was installed."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", folder, ROOT]
    made = call(*build, cwd=folder)
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("*.whl")
    into = ["install", "--no-compile", *offline, "--target", folder / "site"]
    put = call(*pip, *into, wheel, cwd=folder)
    assert put.returncode == 0, put.stderr
    return folder / "site"


@pytest.mark.slow
def test_a_wheel_trains_and_cleans_a_video_in_an_empty_folder(
    installed: Path, runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    program = installed / "bin" / "outtake"
    own = tmp_path / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\ntrainer:\n  max_epochs: 1\nseed: 7\n")
    given = ["--config-dir", "conf", *runs.options(pairs), "experiment=mine", "name=first"]
    trained = call(program, "train", *given, cwd=tmp_path, path=installed)
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "runs" / "first"
    assert "seed: 7" in (run / "config.yaml").read_text()
    frames = pairs / "val" / "images"
    job = [f"checkpoint={run}", f"input={frames}", "output=out.mkv", "remove=[thing]"]
    cleaned = call(program, "infer-video", *job, "remover=solid", cwd=tmp_path, path=installed)
    assert cleaned.returncode == 0, cleaned.stderr
    assert (tmp_path / "out.mkv").is_file()
    page = call(program, "compare", "runs/first", cwd=tmp_path, path=installed)
    assert page.returncode == 0 and (tmp_path / "compare.html").is_file(), page.stderr
