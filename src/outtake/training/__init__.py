"""Training: the task, its losses and schedules, checkpoints and resumption."""
