"""Hydra's part of the programs: compose the config, and call the function of that name with it.

What a program needs is imported when it runs, so that ``--help`` and completion stay fast. Until
then nothing is begun, and Ctrl-C ends the process at once.
"""

from __future__ import annotations

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from outtake.config.compose import CONF_DIR
from outtake.core.errors import ConfigError
from outtake.core.signals import raise_at_interrupt
from outtake.programs.command_line import exit_at_errors, exit_with_error, hydra_run_dir

_CONF = str(CONF_DIR)
DEFECTS_EXIT_CODE = 1
NO_MULTIRUN = "-m: a sweep runs many trials by itself; leave -m out"
TRIAL_OVERRIDES: list[str] = []  # what stands after -- is for the trials of a sweep


@hydra.main(version_base="1.3", config_path=_CONF, config_name="train")
def call_train(cfg: DictConfig) -> float:
    """Train, reproduce a run, or find settings; return the objective."""
    with exit_at_errors():
        from outtake.config.instantiate import resolve_config
        from outtake.programs.reproduce import reproduce
        from outtake.programs.train import train
        from outtake.training.distributed.launch_environment import check_multirun_devices

        raise_at_interrupt()
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
def call_evaluate(cfg: DictConfig) -> None:
    """Score a checkpoint."""
    with exit_at_errors():
        from outtake.programs.evaluate import evaluate

        raise_at_interrupt()
        evaluate(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="infer_video")
def call_infer_video(cfg: DictConfig) -> None:
    """Take objects out of videos."""
    with exit_at_errors():
        from outtake.programs.removal_inputs import check_inputs

        # What is missing is said before seconds of imports.
        check_inputs(cfg)
        from outtake.programs.infer_video import infer_video

        raise_at_interrupt()
        infer_video(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="stitch")
def call_stitch(cfg: DictConfig) -> None:
    """Stitch the background of each shot into one picture."""
    with exit_at_errors():
        from outtake.programs.stitch import stitch

        raise_at_interrupt()
        stitch(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="suggest")
def call_suggest(cfg: DictConfig) -> None:
    """Say which frames to label next."""
    with exit_at_errors():
        from outtake.programs.suggest import suggest

        raise_at_interrupt()
        suggest(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="predict")
def call_predict(cfg: DictConfig) -> None:
    """Label pictures, or take objects out of them."""
    with exit_at_errors():
        from outtake.programs.predict_inputs import check_inputs

        check_inputs(cfg)
        from outtake.programs.predict import predict

        raise_at_interrupt()
        predict(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="cluster")
def call_cluster(cfg: DictConfig) -> None:
    """Find which pixels of pictures belong together."""
    with exit_at_errors():
        from outtake.programs.cluster import cluster

        raise_at_interrupt()
        cluster(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="sweep")
def call_sweep(cfg: DictConfig) -> None:
    """Search settings."""
    with exit_at_errors():
        from outtake.programs.sweep import run_sweep
        from outtake.programs.trial_overrides import read_trial_words

        raise_at_interrupt()
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            # Raised, Hydra would print all overrides: the address of a storage may be among them.
            exit_with_error(ConfigError(NO_MULTIRUN))
        option = HydraConfig.get().runtime.choices.get("sweep")
        # The words for a program of the user's own are left as they are.
        words = TRIAL_OVERRIDES if cfg.command else read_trial_words(TRIAL_OVERRIDES)
        run_sweep(cfg, option, sys.argv[1:], words)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="export")
def call_export(cfg: DictConfig) -> None:
    """Write a trained network as one archive."""
    with exit_at_errors():
        from outtake.programs.export import export

        raise_at_interrupt()
        export(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="soup")
def call_soup(cfg: DictConfig) -> None:
    """Average the weights of networks."""
    with exit_at_errors():
        from outtake.programs.soup import soup

        raise_at_interrupt()
        soup(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="verify")
def call_verify(cfg: DictConfig) -> None:
    """List the defects of a data set; exit with 1 if one is to fail."""
    with exit_at_errors():
        from outtake.programs.verify import verify

        raise_at_interrupt()
        if not verify(cfg):
            sys.exit(DEFECTS_EXIT_CODE)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="pack")
def call_pack(cfg: DictConfig) -> None:
    """Write a data set as shards."""
    with exit_at_errors():
        from outtake.programs.pack import pack_data

        raise_at_interrupt()
        pack_data(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="preview")
def call_preview(cfg: DictConfig) -> None:
    """Draw samples of a data set."""
    with exit_at_errors():
        from outtake.programs.preview import preview

        raise_at_interrupt()
        preview(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="watch")
def call_watch(cfg: DictConfig) -> None:
    """Show runs on a live page."""
    with exit_at_errors():
        from outtake.programs.watch import watch

        raise_at_interrupt()
        watch(cfg)


@hydra.main(version_base="1.3", config_path=_CONF, config_name="studio")
def call_studio(cfg: DictConfig) -> None:
    """Serve the page in which frames are labelled."""
    with exit_at_errors():
        from outtake.programs.studio import studio

        raise_at_interrupt()
        studio(cfg)
