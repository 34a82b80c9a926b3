"""The commands behind the buttons of the studio: those that one would type, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.override_text import quote_for_shell, quote_text
from outtake.core.validate import check_number
from outtake.studio.project import Project

KINDS = ("train", "suggest", "propose", "remove")
MIN_BUDGET_S, MAX_BUDGET_S = 10, 24 * 3600
RUNS, RESULT, PROPOSALS = "runs", "results/clean.mp4", "proposals"
# As the network has them, not grown for a removal.
_PLAIN_MASKS = ("remover=mask", "mask.dilate=0", "mask.feather=0", "mask.shadows=false")
REMOVERS = ("clean_plate", "inpaint", "alpha", "blur", "pixelate", "solid")


@dataclass(frozen=True)
class JobCommand:
    """A program with its arguments.

    Attributes:
        kind: One of ``KINDS``.
        arguments: What stands behind ``outtake``.
        run: The run folder that it makes, if it trains.
        discards: What is moved out of its way first.
    """

    kind: str
    arguments: tuple[str, ...]
    run: Path | None = None
    discards: Path | None = None

    @property
    def text(self) -> str:
        """The command as it is typed into a shell."""
        return " ".join(["outtake", *map(quote_for_shell, self.arguments)])


def build_command(project: Project, kind: object, options: Mapping[str, object]) -> JobCommand:
    """Return the command of a job.

    Args:
        project: The project that is open.
        kind: One of ``KINDS``.
        options: ``budget_s`` and ``further`` of train, ``count`` of suggest, ``remove``, a list of
            classes, of propose and remove, ``remover`` and ``preview`` of remove.

    Raises:
        ConfigError: There is no such job or option, or it cannot begin yet.
    """
    if kind == "train":
        _check_keys(options, {"budget_s", "further"})
        return _train(project, options)
    if kind == "suggest":
        _check_keys(options, {"count"})
        count = options.get("count", 3)
        check_number("count", count, 1, 20, whole=True)
        source, run = str(project.source), _newest_run(project)
        return JobCommand(
            "suggest",
            ("suggest", source, f"checkpoint={run}", f"output={project.folder.resolve()}",
             f"count={count}"),
        )  # fmt: skip
    if kind == "propose":
        _check_keys(options, {"remove"})
        output = project.folder.resolve() / PROPOSALS
        more: tuple[str, ...] = (
            "remover=mask",
            "mask.dilate=0",
            "mask.feather=0",
            "mask.shadows=false",
        )
        return _remove(project, "propose", options, output, more)
    if kind == "remove":
        _check_keys(options, {"remove", "remover", "preview"})
        remover = options.get("remover", REMOVERS[0])
        if remover not in REMOVERS:
            raise ConfigError(f"remover: must be one of {', '.join(REMOVERS)}")
        more = (f"remover={remover}",) + (("preview=true",) if options.get("preview") else ())
        output = project.folder.resolve() / RESULT
        return _remove(project, "remove", options, output, more)
    raise ConfigError(f"kind: must be one of {', '.join(KINDS)}")


def list_runs(project: Project) -> list[Path]:
    """Return the runs of a project that have weights, the oldest first."""
    found = (project.folder.resolve() / RUNS).glob("round_*/checkpoints/*.ckpt")
    return sorted({path.parents[1] for path in found})


def has_weights(run: Path) -> bool:
    """Return whether a training has left weights, however it ended."""
    return any((run / "checkpoints").glob("*.ckpt"))


def discard(path: Path) -> None:
    """Take away what an earlier job made, so that another can make it anew."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _train(project: Project, options: Mapping[str, object]) -> JobCommand:
    budget_s, further = options.get("budget_s", 180), options.get("further", False)
    check_number("budget_s", budget_s, MIN_BUDGET_S, MAX_BUDGET_S)
    if not project.labelled_frames():
        raise ConfigError("no frame is labelled yet: mark the object and the background on one")
    root = project.folder.resolve()
    runs = root / RUNS
    number = 1 + max((_round(path) for path in runs.glob("round_*")), default=0)
    name = f"round_{number:03d}"
    start = (f"init_from={_newest_run(project)}",) if further else ()
    return JobCommand(
        "train",
        ("train", "experiment=few_frames", f"data.root={root}", f"paths.runs={runs}",
         f"name={name}", f"budget_s={budget_s}", "logger=none", *start),
        run=runs / name,
    )  # fmt: skip


def _remove(
    project: Project,
    kind: str,
    options: Mapping[str, object],
    output: Path,
    more: tuple[str, ...],
) -> JobCommand:
    names = options.get("remove", project.classes[1:])
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError("remove: must be a list of classes")
    for name in names:
        if name not in project.classes:
            raise ConfigError(f"remove: there is no class {name!r}")
    listed = f"remove=[{','.join(map(quote_text, names))}]"
    arguments = ("infer-video", str(project.source), str(output),
                 f"checkpoint={_newest_run(project)}", listed, *more)  # fmt: skip
    if kind == "propose":
        return JobCommand(kind, arguments, discards=output)
    return JobCommand(kind, (*arguments, "overwrite=true"))


def _newest_run(project: Project) -> Path:
    runs = list_runs(project)
    if not runs:
        raise ConfigError("no network is trained yet; train one first")
    return runs[-1]


def _round(path: Path) -> int:
    digits = path.name.removeprefix("round_")
    return int(digits) if digits.isdecimal() and len(digits) < 9 else 0


def _check_keys(options: Mapping[str, object], allowed: set[str]) -> None:
    if wrong := sorted(set(options) - allowed):
        raise ConfigError(f"options: {wrong[0]!r} is none of {', '.join(sorted(allowed))}")
