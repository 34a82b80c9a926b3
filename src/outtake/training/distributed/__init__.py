"""Several processes as one run: DDP, FSDP, SLURM, the launcher."""
