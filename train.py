"""Train a segmentation network: ``python train.py data=camvid model=fcn8s``."""

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from outtake.programs.command_line import hydra_run_dir, print_user_errors, run_program


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    """Compose, train, return the objective."""
    with print_user_errors():
        from outtake.config.instantiate import resolve_config
        from outtake.programs.train import train
        from outtake.training.distributed.environment import check_multirun_devices

        hydra_cfg = HydraConfig.get()
        if hydra_cfg.mode == RunMode.MULTIRUN:
            check_multirun_devices(resolve_config(cfg.trainer))
        with hydra_run_dir(hydra_cfg) as run_dir:
            if cfg.reproduce:
                from outtake.programs.reproduce import reproduce

                return reproduce(cfg, run_dir, list(hydra_cfg.overrides.task))
            return train(cfg, run_dir, list(hydra_cfg.overrides.task))


if __name__ == "__main__":
    run_program(main)
