"""The commands behind the buttons of the studio: those that one would type, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from outtake.core.errors import ConfigError
from outtake.core.files import replace_text
from outtake.core.override_text import quote_for_shell, quote_text
from outtake.core.validate import check_number
from outtake.labelled_video.project_folder import MASK_FOLDER
from outtake.studio.network_masks import PROPOSALS, name_folders
from outtake.studio.project import Project
from outtake.studio.removal_commands import (
    EFFECTS,
    check_choice,
    count_kept_frames,
    keep_choice,
    list_arguments,
    read_choice,
)
from outtake.studio.strokes import UNLABELLED

KINDS = ("train", "suggest", "propose", "preview", "remove", "resume")
MIN_BUDGET_S, MAX_BUDGET_S = 10, 24 * 3600
RUNS, PROPOSAL_JOBS = "runs", "proposals.yaml"
# As the network has them, not grown for a removal.
_PLAIN_MASKS = ("remover=mask", "mask.dilate=0", "mask.feather=0", "mask.shadows=false",
                "mask.reflections=false")  # fmt: skip


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
            classes, of propose, and those of :func:`check_choice` of preview and remove.

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
        return _propose(project, options)
    if kind in ("preview", "remove"):
        _check_keys(options, {"remove", "remover", "dilate", *EFFECTS, "frame"})
        if (kind == "preview") != ("frame" in options):
            raise ConfigError("frame: goes with a preview, and a preview needs it")
        choice, run = check_choice(project, options), _newest_run(project)
        if kind == "remove":
            keep_choice(project, run, choice)
        return JobCommand(kind, list_arguments(project, run, choice))
    if kind == "resume":
        _check_keys(options, set())
        return _resume(project)
    raise ConfigError(f"kind: must be one of {', '.join(KINDS)}")


def list_runs(project: Project) -> list[Path]:
    """Return the runs of a project that have weights, the oldest first."""
    found = (project.folder.resolve() / RUNS).glob("round_*/checkpoints/*.ckpt")
    return sorted({path.parents[1] for path in found})


def list_fresh_labels(project: Project) -> list[int]:
    """Return the frames that were labelled or changed after the newest training began."""
    runs = list_runs(project)
    if not runs:
        return []
    try:
        began_ns = (runs[-1] / "config.yaml").stat().st_mtime_ns
    except OSError:
        return []
    masks = project.folder / MASK_FOLDER
    return [
        number
        for number in project.labelled_frames()
        if (masks / f"{number:06d}.png").stat().st_mtime_ns > began_ns
    ]


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
    _check_two_classes(project)
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


def _check_two_classes(project: Project) -> None:
    """Raise at once what a training would say after it was started.

    Raises:
        ConfigError: All that is labelled is of one class, or nothing is.
    """
    found: set[int] = set()
    for number in project.labelled_frames():
        found |= set(np.unique(project.labels[number].labels).tolist()) - {UNLABELLED}
        if len(found) > 1:
            return
    names = ", ".join(project.classes[each] for each in found)
    raise ConfigError(
        f"all that is labelled is {names or 'unlabelled again'}: mark the object with the left "
        "button and the background with the right one; Fill takes all that is left at once"
    )


def _propose(project: Project, options: Mapping[str, object]) -> JobCommand:
    """Return the command that masks all frames, of each class by itself: a mask tells no classes.

    Raises:
        OuttakeError: A class is the background, or the list of these jobs cannot be written.
    """
    names, run = check_choice(project, options)["remove"], _newest_run(project)
    output = project.folder.resolve() / PROPOSALS
    places = {project.classes[each]: name for each, name in name_folders(project).items()}
    if wrong := [name for name in names if name not in places]:
        raise ConfigError(f"remove: {wrong[0]} is the background")
    if len(places) == 1:
        named = [str(project.source), str(output), f"remove=[{quote_text(names[0])}]"]
    else:
        jobs = [
            {"input": str(project.source), "output": str(output / places[name]), "remove": [name]}
            for name in names
        ]
        path = project.folder.resolve() / PROPOSAL_JOBS
        replace_text(path, yaml.safe_dump(jobs, sort_keys=False))
        # In the hole of a car may be a person.
        named = [f"jobs={path}", "mask.fill_holes=false"]
    arguments = ("infer-video", *named, f"checkpoint={run}", *_PLAIN_MASKS)
    return JobCommand("propose", arguments, discards=output)


def _resume(project: Project) -> JobCommand:
    """Return the command of the last removal, word for word, so that it finds what there is."""
    found = read_choice(project)
    if found is None or count_kept_frames(project) is None:
        raise ConfigError("there is no removal to go on with; remove first")
    run = project.folder.resolve() / RUNS / found[0]
    if run not in list_runs(project):
        raise ConfigError(f"{found[0]}, whose network it began with, is gone; remove anew")
    return JobCommand("remove", list_arguments(project, run, found[1]))


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
