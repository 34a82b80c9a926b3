"""Search: ``python sweep.py sweep=optimizer n_trials=40 n_jobs=2 -- data=camvid``."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from outtake.programs.command_line import print_user_errors, run_program

FOR_TRIALS: list[str] = []  # what stands after -- are overrides of train.py


@hydra.main(version_base="1.3", config_path="conf", config_name="sweep")
def main(cfg: DictConfig) -> None:
    """Compose, run trials, write what was found."""
    with print_user_errors():
        from outtake.core.errors import ConfigError
        from outtake.programs.sweep import run_sweep

        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise ConfigError("-m: a sweep runs many trials by itself; leave -m out")
        run_sweep(cfg, HydraConfig.get().runtime.choices.get("sweep"), sys.argv[1:], FOR_TRIALS)


if __name__ == "__main__":
    if "--" in sys.argv:
        separator = sys.argv.index("--")
        FOR_TRIALS[:] = sys.argv[separator + 1 :]
        del sys.argv[separator:]
    run_program(main)
