"""Training: the task, its loss, its metrics and what watches over a fit."""
