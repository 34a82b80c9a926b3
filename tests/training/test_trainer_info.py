from __future__ import annotations

import pytest

from outtake.training.trainer_info import artifact_stem, validation_title
from tests.training.callbacks.fake_trainer import Seen, fit_loop, trainer

ALONE = {
    "at the end of an epoch": {},
    "once, before its end": {"val_check_batch": 6, "fit_loop": fit_loop(6, 26)},
    "at the end of a source without a length": {"val_check_batch": float("inf")},
    "every so many batches, seldom": {"val_check_batch": 13, "fit_loop": fit_loop(6, 26)}
    | {"check_val_every_n_epoch": None},
    "before the first step": {"val_check_batch": None, "sanity_checking": True},
}
OF_SEVERAL = {
    "twice an epoch": {"val_check_batch": 5, "fit_loop": fit_loop(5, 25)},
    "twice an epoch, at its end": {"val_check_batch": 5},
    "every so many batches": {"val_check_batch": 6, "fit_loop": fit_loop(10, 30)}
    | {"check_val_every_n_epoch": None},
    "by the clock": {"val_check_batch": None},
    "at a limit of time": {"fit_loop": fit_loop(7, 27)},
    "at a limit of time, seldom": {"val_check_batch": 13, "fit_loop": fit_loop(7, 27)}
    | {"check_val_every_n_epoch": None},
}


@pytest.mark.parametrize("when", [*ALONE, *OF_SEVERAL])
def test_a_validation_has_its_step_in_its_name_where_its_epoch_may_have_several(when: str) -> None:
    here = trainer(Seen(), **(ALONE | OF_SEVERAL)[when])
    several = when in OF_SEVERAL
    assert artifact_stem(here) == ("epoch_0002_step_000030" if several else "epoch_0002")
    assert validation_title(here) == ("epoch 2, step 30" if several else "epoch 2")
