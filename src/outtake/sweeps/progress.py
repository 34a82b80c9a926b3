"""What the user sees while a sweep runs: a line for each trial, and a bar on a terminal."""

from __future__ import annotations

from types import TracebackType

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.markup import escape

from outtake.core.progress import trial_bar
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial_process import TrialProcess
from outtake.sweeps.trial_result import TrialResult, TrialStatus


class SweepProgress:
    """Prints how trials end; a context manager around the run.

    Args:
        sweep: The settings of the sweep.
        best: The best value of the first objective so far and the number of its trial.
    """

    def __init__(self, sweep: SweepConfig, best: tuple[float, int] | None) -> None:
        self._sweep = sweep
        self._best = best
        self._console = Console()
        self._bar = trial_bar(sweep.n_trials, self._console)

    def __enter__(self) -> SweepProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def on_trial_end(self, trial: FrozenTrial, result: TrialResult, seconds: float) -> None:
        """Print a line."""
        status = result.status.value.replace("_", " ")
        if not trial.state.is_finished() or trial.state.name == "FAIL":
            status += ", runs again"
        parts = [f"trial {trial.number}: {status}"]
        if result.status is TrialStatus.FINISHED:
            names = (objective.name for objective in self._sweep.objectives)
            values = zip(names, trial.values, strict=True)
            parts.append(", ".join(f"{name} {value:.4g}" for name, value in values))
            self._update_best(trial)
        elif result.message:
            parts.append(result.message)
        parts.append(f"{seconds:.0f} s")
        if self._best is not None:
            parts.append(f"best {self._best[0]:.4g} (trial {self._best[1]})")
        self._bar.console.print(escape("; ".join(parts)), soft_wrap=True, highlight=False)

    def _update_best(self, trial: FrozenTrial) -> None:
        first = self._sweep.objectives[0]
        if self._best is None or first.is_better(trial.values[0], self._best[0]):
            self._best = (trial.values[0], trial.number)

    def on_poll(self, done: int, running: list[TrialProcess]) -> None:
        """Move the bar."""
        trials = ", ".join(f"{each.number} ({each.elapsed_s:.0f} s)" for each in running)
        text = f"trials; running: {trials}" if trials else "trials"
        self._bar.update(self._bar.task_ids[0], completed=done, description=text)
