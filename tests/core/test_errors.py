"""Errors keep their one line when they come out of another process."""

import pickle

import pytest
from torch._utils import ExceptionWrapper

from outtake.core import errors
from outtake.core.errors import MissingSplitError, OuttakeError, UnreadableImageError

CLASSES = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, OuttakeError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_worker_of_a_loader_hands_over_the_message_alone(kind):
    try:
        try:
            raise UnreadableImageError("the first")
        except UnreadableImageError as error:
            raise kind("cannot read a.png:\n  it is damaged") from error
    except OuttakeError:
        handed_over = pickle.loads(pickle.dumps(ExceptionWrapper(where="in DataLoader worker 0")))
    with pytest.raises(kind) as caught:
        handed_over.reraise()
    assert str(caught.value) == "cannot read a.png: it is damaged"


def test_an_error_of_several_arguments_can_be_sent():
    again = pickle.loads(pickle.dumps(MissingSplitError("no val", "add it")))
    assert (str(again), again.what) == ("no val; add it", "no val")
