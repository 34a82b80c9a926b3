"""The study: Optuna's, and what a sweep adds to it: which trials count, which run again."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from outtake.core.errors import ConfigError
from outtake.core.redact import redact
from outtake.sweeps.storage import make_by_kind, make_pruner, open_storage
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial_result import TrialResult, TrialStatus

IDENTITY_ATTR = "sweep"
RESULT_ATTR = "outcome"
LOSSES_ATTR = "losses"
RETRY_OF_ATTR = "retry_of"
_RESULTS = (TrialState.COMPLETE, TrialState.PRUNED)
# A sequence or a model of its own goes on under the same seed; the others would draw again what
# they drew before the interruption.
_STATEFUL_SAMPLERS = ("QMCSampler", "CmaEsSampler")
_UNSUPPORTED_SAMPLERS = ("GridSampler", "BruteForceSampler")


class SweepStudy:
    """The trials of a sweep.

    A trial that counts is told complete or pruned. One that was interrupted is told failed, after
    a copy of it was put into the queue: Optuna's samplers ignore it, and so does the count.

    Args:
        sweep: the settings.

    Attributes:
        study: Optuna's study.

    Raises:
        ConfigError: the storage, sampler or pruner can not be made; or the study in the storage
            was begun with another search.
    """

    def __init__(self, sweep: SweepConfig) -> None:
        self._sweep = sweep
        several = len(sweep.objectives) > 1
        if several and sweep.pruner.get("kind") != "NopPruner":
            raise ConfigError(
                "pruner: Optuna can not prune with several objectives; set pruner=NopPruner"
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
        begun = self.study.user_attrs.get(IDENTITY_ATTR)
        if begun is None:
            self.study.set_user_attr(IDENTITY_ATTR, sweep.identity())
            self.study.set_metric_names([objective.name for objective in sweep.objectives])
        elif begun != sweep.identity():
            raise self._mismatch_error()
        self.study.sampler = self._make_sampler(len(self.study.get_trials(deepcopy=False)))

    def _mismatch_error(self) -> ConfigError:
        return ConfigError(
            f"the sweep {self._sweep.name} was begun with another search space, other objectives "
            "or other fixed overrides; give this one another name=..."
        )

    def _check_sampler(self) -> None:
        kind = self._sweep.sampler.get("kind")
        if kind in _UNSUPPORTED_SAMPLERS:
            raise ConfigError(
                f"sampler.kind={kind}: a grid goes through python train.py -m KEY=A,B,C"
            )
        self._make_sampler(0)

    def _make_sampler(self, begun: int) -> Any:
        settings = self._sweep.sampler
        seed = self._sweep.seed
        if begun and settings.get("kind") not in _STATEFUL_SAMPLERS:
            digest = hashlib.sha256(f"{seed} {begun}".encode()).digest()
            seed = int.from_bytes(digest[:4], "big")
        return make_by_kind(optuna.samplers, "Sampler", settings, "sampler", seed=seed)

    def counted_trials(self) -> list[FrozenTrial]:
        """Return the trials that count, by number."""
        return self.study.get_trials(deepcopy=False, states=_RESULTS)

    def running_trials(self) -> list[FrozenTrial]:
        """Return the trials that a driver has begun and not settled."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def ask(self) -> Trial:
        """Begin a trial: one that waits to run again, or a new one."""
        return self.study.ask({p.name: p.distribution for p in self._sweep.parameters})

    def record_result(
        self, trial: FrozenTrial, outcome: TrialResult, values: Sequence[float] | None
    ) -> None:
        """Record the result of a trial.

        What failed is told as pruned, or as the worst value where there are several objectives: a
        sampler ignores failed trials, and would come back to the same corner again and again.
        """
        self._write_result_attr(trial, outcome)
        if values is not None:
            self.study.tell(trial.number, values=list(values))
        elif len(self._sweep.objectives) > 1:
            self.study.tell(trial.number, values=[o.failed_value for o in self._sweep.objectives])
        else:
            self.study.tell(trial.number, state=TrialState.PRUNED)

    def requeue(
        self, trial: FrozenTrial, outcome: TrialResult, *, count_loss: bool = False
    ) -> None:
        """Put a copy of a trial into the queue and give the trial itself up.

        Args:
            trial: running by the storage's account.
            outcome: why.
            count_loss: count it among the times that the machine failed this trial.
        """
        asked = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        whole = all(parameter.name in asked for parameter in self._sweep.parameters)
        # A driver may have died between the next two steps.
        copied = any(
            other.user_attrs.get(RETRY_OF_ATTR) == trial.number
            for other in self.study.get_trials(deepcopy=False)
        )
        if whole and not copied:
            losses = int(trial.user_attrs.get(LOSSES_ATTR, 0)) + int(count_loss)
            attrs = {RETRY_OF_ATTR: trial.number, LOSSES_ATTR: losses}
            self.study.enqueue_trial(asked, user_attrs=attrs)
        self._write_result_attr(trial, outcome)
        self.study.tell(trial.number, state=TrialState.FAIL)

    def _write_result_attr(self, trial: FrozenTrial, outcome: TrialResult) -> None:
        record = dataclasses.asdict(outcome)
        record["ending"] = outcome.status.value
        record["message"] = redact(outcome.message)
        # JSON of some databases knows no NaN.
        record["values"] = {k: v for k, v in outcome.values.items() if v == v}
        self._storage.set_trial_user_attr(trial._trial_id, RESULT_ATTR, record)

    def best_trials(self) -> list[FrozenTrial]:
        """Return the best trial, or the Pareto front by its first objective, best first."""
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
    """Return how a trial ended, None if it has not."""
    record: Mapping[str, Any] = trial.user_attrs.get(RESULT_ATTR, {})
    return TrialStatus(record["ending"]) if "ending" in record else None
