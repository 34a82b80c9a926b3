"""Optuna's study, and what a sweep adds to it: which trials count, and which run again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from outtake.core.errors import ConfigError
from outtake.sweeps.storage import NOT_FOR_SWEEPS, make_by_kind, make_pruner, open_storage
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial_result import TrialResult, TrialStatus

# The keys of what is kept with the study and with each trial.
IDENTITY_ATTR = "sweep"
RESULT_ATTR = "result"
LOSSES_ATTR = "losses"
RETRY_OF_ATTR = "retry_of"
_COUNTED_STATES = (TrialState.COMPLETE, TrialState.PRUNED)
# These have a sequence or a model of their own and continue it under the same seed; the others
# would draw again what they drew before an interruption.
_STATEFUL_SAMPLERS = ("QMCSampler", "CmaEsSampler")


class SweepStudy:
    """The trials of a sweep.

    A trial that counts is told to Optuna as complete or pruned. One that was interrupted is told as
    failed, after a copy of it was put into the queue: Optuna's samplers ignore it, and so does the
    count.

    Args:
        sweep: The settings of the sweep.

    Attributes:
        study: Optuna's study.

    Raises:
        ConfigError: The storage, the sampler or the pruner cannot be made, or the study in the
            storage belongs to another search.
    """

    def __init__(self, sweep: SweepConfig) -> None:
        self._sweep = sweep
        if len(sweep.objectives) > 1 and sweep.pruner.get("kind") != "NopPruner":
            raise ConfigError(
                "pruner: Optuna cannot prune with several objectives; set pruner=NopPruner"
            )
        pruner = make_pruner(sweep.pruner)
        self._check_sampler()
        self._storage = open_storage(sweep.storage)
        directions = [StudyDirection[o.direction.upper()] for o in sweep.objectives]
        try:
            self.study = optuna.create_study(
                storage=self._storage,
                study_name=sweep.name,
                directions=directions,
                load_if_exists=True,
                pruner=pruner,
            )
        except ValueError as error:
            raise self._mismatch_error() from error
        if self.study.directions != directions:
            raise self._mismatch_error()
        identity = self.study.user_attrs.get(IDENTITY_ATTR)
        if identity is None:
            self.study.set_user_attr(IDENTITY_ATTR, sweep.identity())
            self.study.set_metric_names([objective.name for objective in sweep.objectives])
        elif identity != sweep.identity():
            raise self._mismatch_error()
        self.study.sampler = self._make_sampler(len(self.study.get_trials(deepcopy=False)))

    def _mismatch_error(self) -> ConfigError:
        return ConfigError(
            f"the sweep {self._sweep.name} was begun with another search space, other objectives "
            "or other fixed overrides; give this one another name=..."
        )

    def _check_sampler(self) -> None:
        kind = self._sweep.sampler.get("kind")
        if kind in NOT_FOR_SWEEPS:
            raise ConfigError(
                f"sampler.kind={kind}: search a grid by outtake train -m KEY=A,B,C instead"
            )
        self._make_sampler(0)

    def _make_sampler(self, trials_begun: int) -> Any:
        settings = self._sweep.sampler
        seed = self._sweep.seed
        if trials_begun and settings.get("kind") not in _STATEFUL_SAMPLERS:
            digest = hashlib.sha256(f"{seed} {trials_begun}".encode()).digest()
            seed = int.from_bytes(digest[:4], "big")
        return make_by_kind(optuna.samplers, "Sampler", settings, "sampler", seed=seed)

    def counted_trials(self) -> list[FrozenTrial]:
        """Return the trials that count, by number."""
        return self.study.get_trials(deepcopy=False, states=_COUNTED_STATES)

    def running_trials(self) -> list[FrozenTrial]:
        """Return the trials that a driver has started and not recorded."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def ask(self) -> Trial:
        """Begin a trial: one that waits in the queue, or a new one."""
        return self.study.ask({p.name: p.distribution for p in self._sweep.parameters})

    def record_result(
        self, trial: FrozenTrial, result: TrialResult, values: Sequence[float] | None
    ) -> None:
        """Record the result of a trial.

        A failure is told to Optuna as pruned, or as the worst values where there are several
        objectives: a sampler ignores failed trials, and would return to the same corner again and
        again.
        """
        self._write_result_attr(trial, result)
        if values is not None:
            self.study.tell(trial.number, values=list(values))
        elif len(self._sweep.objectives) > 1:
            worst = [objective.failed_value for objective in self._sweep.objectives]
            self.study.tell(trial.number, values=worst)
        else:
            self.study.tell(trial.number, state=TrialState.PRUNED)

    def requeue(self, trial: FrozenTrial, result: TrialResult, *, count_loss: bool = False) -> None:
        """Put a copy of a trial into the queue, and give up the trial itself.

        Args:
            trial: A trial that the storage takes for running.
            result: Why the trial runs again.
            count_loss: Whether this counts among the times that the machine failed the trial.
        """
        params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        is_complete = all(parameter.name in params for parameter in self._sweep.parameters)
        # A driver may have died between the next two steps.
        is_copied = any(
            other.user_attrs.get(RETRY_OF_ATTR) == trial.number
            for other in self.study.get_trials(deepcopy=False)
        )
        if is_complete and not is_copied:
            losses = int(trial.user_attrs.get(LOSSES_ATTR, 0)) + int(count_loss)
            attrs = {RETRY_OF_ATTR: trial.number, LOSSES_ATTR: losses}
            self.study.enqueue_trial(params, user_attrs=attrs)
        self._write_result_attr(trial, result)
        self.study.tell(trial.number, state=TrialState.FAIL)

    def _write_result_attr(self, trial: FrozenTrial, result: TrialResult) -> None:
        record = result.to_record()
        # The JSON of some databases knows no NaN.
        record["values"] = {k: v for k, v in result.values.items() if v == v}
        self._storage.set_trial_user_attr(trial._trial_id, RESULT_ATTR, record)

    def best_trials(self) -> list[FrozenTrial]:
        """Return the best trial, or the Pareto front with the best first objective first."""
        finished = [t for t in self.counted_trials() if trial_status(t) is TrialStatus.FINISHED]
        if not finished:
            return []
        first = self._sweep.objectives[0]
        if len(self._sweep.objectives) > 1:
            numbers = {t.number for t in self.study.best_trials}
            finished = [t for t in finished if t.number in numbers]
        finished.sort(key=lambda t: t.values[0], reverse=first.direction == "maximize")
        return finished if len(self._sweep.objectives) > 1 else finished[:1]


def trial_status(trial: FrozenTrial) -> TrialStatus | None:
    """Return how a trial ended, or None if it has not."""
    record: Mapping[str, Any] = trial.user_attrs.get(RESULT_ATTR, {})
    return TrialStatus(record["status"]) if "status" in record else None


def trial_message(trial: FrozenTrial) -> str:
    """Return the line that says why a trial ended, which may be empty."""
    return str(trial.user_attrs.get(RESULT_ATTR, {}).get("message", ""))
