"""Silence advice that libraries repeat on every run."""

from __future__ import annotations

import logging
import warnings

from outtake.training.distributed.launch_environment import global_rank


def quiet_libraries() -> None:
    """Silence advice that libraries give on every run; warnings of substance stay."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*_pytree_.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
        ".*could not find the monitored key.*",  # ended before a validation, which is said
        ".*FSDP2-wrapped module .* returned a view tensor.*",  # nothing is added to it in place
        ".*sync_dist=True.*",  # what is logged once an epoch is the same on every rank
    ):
        warnings.filterwarnings("ignore", message)
    if global_rank():
        # The first rank says it.
        warnings.filterwarnings("ignore")
        logging.getLogger("outtake").setLevel(logging.ERROR)
