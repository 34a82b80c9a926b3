"""Frames to label next: the unsure ones, apart from each other, and where an object is lost."""

from outtake.labelled_video.frame_suggestion import FrameState, suggest_frames


def states(*unsure, area=0.1):
    return [FrameState(each, 0.0 if each is None else area) for each in unsure]


def numbers(found):
    return [each.frame for each in found]


def test_the_least_sure_come_first_and_neighbours_are_left_out():
    clip = states(0.1, 0.2, 0.9, 0.8, 0.3, 0.2, 0.2, 0.7, 0.1, 0.1)
    assert numbers(suggest_frames(clip, 3, distance=2)) == [2, 7]
    assert numbers(suggest_frames(clip, 3, distance=1)) == [2, 7, 4]
    assert suggest_frames(clip, 1)[0].why == "unsure here: 90% of the object's area"


def test_what_is_labelled_is_not_asked_for_again():
    clip = states(0.1, 0.9, 0.2, 0.5)
    assert numbers(suggest_frames(clip, 2, labelled={1}, distance=0)) == [3, 2]
    assert suggest_frames(clip, 2, labelled=range(4)) == []


def test_the_middle_of_a_gap_comes_before_all_others():
    clip = states(0.1, 0.9, None, None, None, 0.1, 0.1)
    first, second = suggest_frames(clip, 2, distance=1)
    assert first.frame == 3 and first.uncertainty is None
    assert first.why == "nothing found from frame 2 to 4, but before and after"
    assert second.frame == 1


def test_an_object_that_comes_and_goes_is_not_lost():
    clip = states(None, None, 0.2, 0.1, None, None)
    assert numbers(suggest_frames(clip, 5, distance=0)) == [2, 3]
    # A person has said that it is not there.
    clip = states(0.2, None, None, None, 0.2)
    assert numbers(suggest_frames(clip, 5, labelled={2}, distance=0)) == [0, 4]


def test_frames_of_which_nothing_is_known_are_not_suggested():
    assert suggest_frames(states(None, None), 3) == []
    assert suggest_frames([], 3) == []


def test_an_object_that_is_nowhere_more_probable_than_not_is_unsure():
    clip = states(0.2, 0.9, 0.1)
    clip[2] = FrameState(None, 0.001)
    first, second = suggest_frames(clip, 2, distance=0)
    assert (first.frame, second.frame) == (2, 1)
    assert first.why == "unsure here: no pixel of the object is more probable than not"
