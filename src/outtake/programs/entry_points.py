"""The programs behind ``outtake PROGRAM`` and behind the scripts in the root of a checkout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version

from outtake.core.signals import exit_at_interrupt

with exit_at_interrupt():
    # These take long.
    from outtake.config.schema import explain_unknown_key
    from outtake.core.errors import ConfigError
    from outtake.programs.command_line import (
        TRAIN_PATHS,
        argument_rules,
        exit_with_error,
        run_program,
    )
    from outtake.programs.hydra_programs import (
        NO_MULTIRUN,
        TRIAL_OVERRIDES,
        call_cluster,
        call_evaluate,
        call_export,
        call_infer_video,
        call_pack,
        call_predict,
        call_preview,
        call_soup,
        call_stitch,
        call_studio,
        call_suggest,
        call_sweep,
        call_train,
        call_verify,
        call_watch,
    )


def run_train() -> None:
    """Train a network: ``outtake train data=camvid model=fcn8s``."""
    run_program(call_train, argument_rules("train", paths=TRAIN_PATHS))


def run_evaluate() -> None:
    """Score a checkpoint: ``outtake evaluate checkpoint=runs/NAME split=val``."""
    paths = ("checkpoint", "baseline", "output", *TRAIN_PATHS)
    run_program(call_evaluate, argument_rules("evaluate", paths=paths))


def run_infer_video() -> None:
    """Take objects out of a video: ``outtake infer-video IN OUT checkpoint=RUN remove=car``."""
    rules = argument_rules(
        "infer_video",
        places=("input", "output"),
        paths=("input", "output", "masks.path", "checkpoint", "labels", "remover.path", "jobs"),
        lists=("masks.ids",),
        short={"masks": "masks.path"},
    )
    run_program(call_infer_video, rules)


def run_stitch() -> None:
    """Stitch the background of each shot into a picture: ``outtake stitch IN OUT masks=MASKS``."""
    rules = argument_rules(
        "stitch",
        places=("input", "output"),
        paths=("input", "output", "masks.path", "checkpoint", "labels"),
        lists=("masks.ids",),
        short={"masks": "masks.path"},
    )
    run_program(call_stitch, rules)


def run_suggest() -> None:
    """Say which frames to label next: ``outtake suggest CLIP checkpoint=RUN``."""
    rules = argument_rules(
        "suggest", places=("input",), paths=("input", "output", "checkpoint"), lists=("classes",)
    )
    run_program(call_suggest, rules)


def run_predict() -> None:
    """Label pictures, or take objects out: ``outtake predict PHOTOS OUT checkpoint=RUN``."""
    rules = argument_rules(
        "predict",
        places=("input", "output"),
        paths=("input", "output", "masks.path", "checkpoint", "remover.path"),
        lists=("masks.ids", "outputs"),
        short={"masks": "masks.path"},
    )
    run_program(call_predict, rules)


def run_cluster() -> None:
    """Find which pixels of pictures belong together: ``outtake cluster PHOTOS OUT groups=12``."""
    io = ("input", "output")
    run_program(call_cluster, argument_rules("cluster", places=io, paths=(*io, "checkpoint")))


def run_sweep() -> None:
    """Search settings: ``outtake sweep sweep=optimizer n_trials=40 -- data=camvid``."""
    if "--" in sys.argv:
        separator = sys.argv.index("--")
        TRIAL_OVERRIDES[:] = sys.argv[separator + 1 :]
        del sys.argv[separator:]
    run_program(_call_single_sweep, argument_rules("sweep"))


def _call_single_sweep() -> None:
    if {"-m", "--multirun"}.intersection(sys.argv[1:]):
        # Hydra would print each job with its overrides, and make a folder, before it asks.
        raise ConfigError(NO_MULTIRUN)
    call_sweep()


def run_compare() -> None:
    """Compare runs on one page: ``outtake compare runs/*``."""
    with exit_at_interrupt():
        from outtake.programs.compare import main as compare

    run_program(compare)


def run_tag() -> None:
    """Note something on runs: ``outtake tag runs/NAME --add baseline --note TEXT``."""
    with exit_at_interrupt():
        from outtake.programs.tag import main as tag

    run_program(tag)


def run_export() -> None:
    """Write a trained network as one zip: ``outtake export checkpoint=runs/NAME``."""
    run_program(call_export, argument_rules("export", paths=("checkpoint", "output")))


def run_soup() -> None:
    """Average the weights of networks: ``outtake soup checkpoint=[A,B] output=NAME.ckpt``."""
    run_program(call_soup, argument_rules("soup", paths=("checkpoint", "output", *TRAIN_PATHS)))


def run_verify() -> None:
    """List all defects of a data set: ``outtake verify data=folder data.root=PATH``."""
    run_program(call_verify, argument_rules("verify", paths=("output", *TRAIN_PATHS)))


def run_pack() -> None:
    """Write a data set as shards: ``outtake pack data=folder data.root=PATH output=FOLDER``."""
    run_program(call_pack, argument_rules("pack", paths=("output", *TRAIN_PATHS)))


def run_preview() -> None:
    """Draw samples of a data set: ``outtake preview data=folder data.root=PATH``."""
    run_program(call_preview, argument_rules("preview", paths=("output", *TRAIN_PATHS)))


def run_watch() -> None:
    """Show runs on a live page while they train: ``outtake watch runs``."""
    rules = argument_rules("watch", places=("runs",), paths=("runs", "paths.runs"))
    run_program(call_watch, rules)


def run_studio() -> None:
    """Label frames, train and remove in a browser: ``outtake studio CLIP``."""
    rules = argument_rules(
        "studio", places=("input",), paths=("input", "project"), lists=("classes",)
    )
    run_program(call_studio, rules)


PROGRAMS: dict[str, Callable[[], None]] = {
    "verify": run_verify,
    "preview": run_preview,
    "pack": run_pack,
    "train": run_train,
    "evaluate": run_evaluate,
    "infer-video": run_infer_video,
    "stitch": run_stitch,
    "suggest": run_suggest,
    "predict": run_predict,
    "cluster": run_cluster,
    "sweep": run_sweep,
    "compare": run_compare,
    "watch": run_watch,
    "studio": run_studio,
    "tag": run_tag,
    "export": run_export,
    "soup": run_soup,
}


def main() -> None:
    """Run ``outtake PROGRAM [arguments of the program]``."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(_usage())
    elif name in ("-V", "--version"):
        print(f"outtake {version('outtake')}")
    elif name in ("-sc", "--shell-completion"):
        _complete()
    elif name in PROGRAMS:
        sys.argv = [f"{sys.argv[0]} {name}", *sys.argv[2:]]
        PROGRAMS[name]()
    else:
        message = explain_unknown_key(name, list(PROGRAMS)).replace("config key", "program")
        exit_with_error(ConfigError(message))


def _usage() -> str:
    lines = [f"  {name:12} {(run.__doc__ or '').strip()}" for name, run in PROGRAMS.items()]
    return "\n".join(
        [
            "outtake PROGRAM [GROUP=OPTION] [KEY=VALUE], or outtake --version",
            "",
            *lines,
            "",
            'outtake PROGRAM --help lists its options; eval "$(outtake -sc install=bash)" '
            "completes them at Tab.",
        ]
    )


def _complete() -> None:
    """Complete a command line of ``outtake`` as Hydra does one of the program that it names."""
    words = os.environ.get("COMP_LINE", "").split(" ")
    if sys.argv[2:3] != ["query=bash"] and sys.argv[2:3] != ["query=fish"]:
        PROGRAMS["train"]()  # it writes the same script whatever the program
    elif len(words) < 3:
        typed = words[1] if len(words) > 1 else ""
        print("\n".join(name for name in PROGRAMS if name.startswith(typed)))
    elif words[1] in PROGRAMS and words[1] not in ("compare", "tag"):
        # Hydra's plugin takes one word for the program.
        os.environ["COMP_LINE"] = " ".join([words[0], *words[2:]])
        os.environ["COMP_POINT"] = str(len(os.environ["COMP_LINE"]))
        PROGRAMS[words[1]]()
