"""The programs behind ``outtake PROGRAM`` and behind the scripts in the root of a checkout.

What a program needs is imported when it runs, so that ``--help`` and completion stay fast.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import version

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from outtake.config.compose import CONF_DIR
from outtake.config.schema import explain_unknown_key
from outtake.core.errors import ConfigError
from outtake.programs.command_line import (
    argument_rules,
    exit_with_error,
    hydra_run_dir,
    print_user_errors,
    run_program,
)

_CONF = str(CONF_DIR)
DEFECTS_EXIT_CODE = 1
# Keys of a data set that name files and folders.
_TRAIN_PATHS = (
    "data.root", "data.source.root", "data.source.images", "data.source.masks",
    "data.source.classes", "data.source.csv", "init_from", "resume", "reproduce",
    "paths.data", "paths.runs",
)  # fmt: skip
_TRIAL_OVERRIDES: list[str] = []  # what stands after -- is for the trials of a sweep


@hydra.main(version_base="1.3", config_path=_CONF, config_name="train")
def _train(cfg: DictConfig) -> float:
    with print_user_errors():
        from outtake.config.instantiate import resolve_config
        from outtake.programs.reproduce import reproduce
        from outtake.programs.train import train
        from outtake.training.distributed.launch_environment import check_multirun_devices

        if cfg.get("find"):
            from outtake.programs.find_settings import find_settings

            return find_settings(cfg)
        hydra_cfg = HydraConfig.get()
        if hydra_cfg.mode == RunMode.MULTIRUN:
            check_multirun_devices(resolve_config(cfg.trainer))
        program = reproduce if cfg.reproduce else train
        with hydra_run_dir(hydra_cfg) as run_dir:
            return program(cfg, run_dir, list(hydra_cfg.overrides.task))


@hydra.main(version_base="1.3", config_path=_CONF, config_name="evaluate")
def _evaluate(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.evaluate import evaluate

        evaluate(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="infer_video")
def _infer_video(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.removal_inputs import check_inputs

        # What is missing is said before seconds of imports.
        check_inputs(cfg)
        from outtake.programs.infer_video import infer_video

        infer_video(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="stitch")
def _stitch(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.stitch import check_inputs, stitch

        check_inputs(cfg)
        stitch(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="suggest")
def _suggest(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.suggest import suggest

        suggest(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="predict")
def _predict(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.predict_inputs import check_inputs

        check_inputs(cfg)
        from outtake.programs.predict import predict

        predict(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="cluster")
def _cluster(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.cluster import cluster

        cluster(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="sweep")
def _sweep(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.sweep import run_sweep

        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise ConfigError("-m: a sweep runs many trials by itself; leave -m out")
        option = HydraConfig.get().runtime.choices.get("sweep")
        run_sweep(cfg, option, sys.argv[1:], _TRIAL_OVERRIDES)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="export")
def _export(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.export import export

        export(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="soup")
def _soup(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.soup import soup

        soup(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="verify")
def _verify(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.verify import verify

        if not verify(cfg):
            sys.exit(DEFECTS_EXIT_CODE)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="pack")
def _pack(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.pack import pack_data

        pack_data(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="preview")
def _preview(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.preview import preview

        preview(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="watch")
def _watch(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.watch import watch

        watch(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="studio")
def _studio(cfg: DictConfig) -> None:
    with print_user_errors():
        from outtake.programs.studio import studio

        studio(cfg)


def run_train() -> None:
    """Train a network: ``outtake train data=camvid model=fcn8s``."""
    run_program(_train, argument_rules("train", paths=_TRAIN_PATHS))


def run_evaluate() -> None:
    """Score a checkpoint: ``outtake evaluate checkpoint=runs/NAME split=val``."""
    paths = ("checkpoint", "baseline", "output", *_TRAIN_PATHS)
    run_program(_evaluate, argument_rules("evaluate", paths=paths))


def run_infer_video() -> None:
    """Take objects out of a video: ``outtake infer-video IN OUT checkpoint=RUN remove=car``."""
    rules = argument_rules(
        "infer_video",
        places=("input", "output"),
        paths=("input", "output", "masks.path", "checkpoint", "remover.path", "jobs"),
        lists=("masks.ids",),
        short={"masks": "masks.path"},
    )
    run_program(_infer_video, rules)


def run_stitch() -> None:
    """Stitch the background of each shot into a picture: ``outtake stitch IN OUT masks=MASKS``."""
    rules = argument_rules(
        "stitch",
        places=("input", "output"),
        paths=("input", "output", "masks.path", "checkpoint"),
        lists=("masks.ids",),
        short={"masks": "masks.path"},
    )
    run_program(_stitch, rules)


def run_suggest() -> None:
    """Say which frames to label next: ``outtake suggest CLIP checkpoint=RUN``."""
    rules = argument_rules(
        "suggest", places=("input",), paths=("input", "output", "checkpoint"), lists=("classes",)
    )
    run_program(_suggest, rules)


def run_predict() -> None:
    """Label pictures, or take objects out: ``outtake predict PHOTOS OUT checkpoint=RUN``."""
    rules = argument_rules(
        "predict",
        places=("input", "output"),
        paths=("input", "output", "masks.path", "checkpoint", "remover.path"),
        lists=("masks.ids", "outputs"),
        short={"masks": "masks.path"},
    )
    run_program(_predict, rules)


def run_cluster() -> None:
    """Find which pixels of pictures belong together: ``outtake cluster PHOTOS OUT groups=12``."""
    io = ("input", "output")
    run_program(_cluster, argument_rules("cluster", places=io, paths=(*io, "checkpoint")))


def run_sweep() -> None:
    """Search settings: ``outtake sweep sweep=optimizer n_trials=40 -- data=camvid``."""
    if "--" in sys.argv:
        separator = sys.argv.index("--")
        _TRIAL_OVERRIDES[:] = sys.argv[separator + 1 :]
        del sys.argv[separator:]
    run_program(_sweep, argument_rules("sweep"))


def run_compare() -> None:
    """Compare runs on one page: ``outtake compare runs/*``."""
    from outtake.programs.compare import main as compare

    run_program(compare)


def run_tag() -> None:
    """Note something on runs: ``outtake tag runs/NAME --add baseline --note TEXT``."""
    from outtake.programs.tag import main as tag

    run_program(tag)


def run_export() -> None:
    """Write a trained network as one zip: ``outtake export checkpoint=runs/NAME``."""
    run_program(_export, argument_rules("export", paths=("checkpoint", "output")))


def run_soup() -> None:
    """Average the weights of networks: ``outtake soup checkpoint=[A,B] output=NAME.ckpt``."""
    run_program(_soup, argument_rules("soup", paths=("checkpoint", "output", *_TRAIN_PATHS)))


def run_verify() -> None:
    """List all defects of a data set: ``outtake verify data=folder data.root=PATH``."""
    run_program(_verify, argument_rules("verify", paths=("output", *_TRAIN_PATHS)))


def run_pack() -> None:
    """Write a data set as shards: ``outtake pack data=folder data.root=PATH output=FOLDER``."""
    run_program(_pack, argument_rules("pack", paths=("output", *_TRAIN_PATHS)))


def run_preview() -> None:
    """Draw samples of a data set: ``outtake preview data=folder data.root=PATH``."""
    run_program(_preview, argument_rules("preview", paths=("output", *_TRAIN_PATHS)))


def run_watch() -> None:
    """Show runs on a live page while they train: ``outtake watch runs``."""
    rules = argument_rules("watch", places=("runs",), paths=("runs", "paths.runs"))
    run_program(_watch, rules)


def run_studio() -> None:
    """Label frames, train and remove in a browser: ``outtake studio CLIP``."""
    rules = argument_rules(
        "studio", places=("input",), paths=("input", "project"), lists=("classes",)
    )
    run_program(_studio, rules)


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


def _list_groups() -> str:
    """Return the config groups of the running program with their options, for ``--help``."""
    groups = sorted(name for name in HydraConfig.get().runtime.choices if "/" not in name)
    loader = GlobalHydra.instance().config_loader()
    options = {name: loader.get_group_options(name) for name in groups if name != "hydra"}
    return "\n".join(
        textwrap.fill(
            ", ".join(found), 96, initial_indent=f"  {name:11}", subsequent_indent=" " * 13
        )
        for name, found in options.items()
    )


OmegaConf.register_new_resolver("outtake_groups", _list_groups, replace=True)
