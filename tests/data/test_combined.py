import numpy as np
import pytest

from outtake.core.errors import ConfigError, MissingSplitError
from outtake.core.labels import LabelSpace
from outtake.data.combined import Combined
from outtake.data.inspection import inspect_source
from outtake.data.overfit import FirstSamples
from outtake.data.source import DataWarning, Sample
from outtake.data.verification import verify_split
from tests.data.generated import picture


class Drawn:
    """Samples that hold every class in a column of its own; the last column is unlabelled."""

    channels = 3

    def __init__(self, name, classes, *, splits=("train", "val"), channels=3):
        self.name = name
        self.labels = LabelSpace.from_names(classes)
        self.channels = channels
        self._splits = splits

    def samples(self, split):
        if split not in self._splits:
            raise MissingSplitError(f"{self.name} has no {split}", "add it")
        return [Sample(f"{split}/{number}", "image", "mask") for number in range(2)]

    def read_image(self, sample):
        return picture(len(self.name), (4, len(self.labels.names) + 1), self.channels)

    def read_mask(self, sample):
        row = [*range(len(self.labels.names)), self.labels.ignore_index]
        return np.array([row] * 4, np.uint8)

    def sample_bytes(self, sample):
        return f"{self.name}/{sample.id}".encode(), b"mask"

    def group(self, sample):
        return sample.id[-1]


def town(**options):
    return Drawn("town", ["road", "car", "sky"], **options)


def farm(**options):
    return Drawn("farm", ["field", "tractor"], **options)


MAPS = {
    "town": {"source": town(), "labels": {"car": "vehicle", "sky": None}},
    "farm": {"source": farm(), "labels": {"tractor": "vehicle"}},
}


def test_the_classes_of_each_become_those_of_the_run():
    both = Combined(MAPS)
    assert both.labels.names == ("road", "vehicle", "field")
    samples = both.samples("train")
    assert [s.id for s in samples] == [
        "town/train/0", "town/train/1", "farm/train/0", "farm/train/1"
    ]  # fmt: skip
    assert both.read_mask(samples[0])[0].tolist() == [0, 1, 255, 255]
    assert both.read_mask(samples[2])[0].tolist() == [2, 1, 255]
    assert np.array_equal(both.read_image(samples[3]), farm().read_image(None))
    assert both.group(samples[0]) == "town/0" and both.group(samples[3]) == "farm/1"
    report = verify_split(both, "train")
    assert report.class_pixels.tolist() == [8, 16, 8]


def test_classes_that_are_named_leave_the_others_unlabelled_with_a_line():
    with pytest.warns(DataWarning, match="farm: field is no class of the run and unlabelled"):
        both = Combined(MAPS, ["vehicle", "road"])
    assert both.labels.names == ("vehicle", "road")
    assert both.read_mask(both.samples("val")[0])[0].tolist() == [1, 0, 255, 255]
    assert both.read_mask(both.samples("val")[2])[0].tolist() == [255, 0, 255]


def test_a_member_without_a_split_is_left_out_of_it_with_a_line():
    members = {"town": {"source": town()}, "farm": {"source": farm(splits=("train",))}}
    both = Combined(members)
    assert len(both.samples("train")) == 4
    with pytest.warns(DataWarning, match="farm has no split 'val'"):
        assert len(both.samples("val")) == 2
    with pytest.raises(MissingSplitError, match="none of town, farm has the split 'test'"):
        both.samples("test")


@pytest.mark.parametrize(
    ("members", "classes", "message"),
    [
        ({}, None, "name one data set"),
        ({"town": {"source": None}}, None, r"members\.town: .*source"),
        ({"a/b": {"source": town()}}, None, "without '/'"),
        ({"town": {"source": town(), "map": {}}}, None, "no key 'map'"),
        ({"town": {"source": town(), "labels": ["car"]}}, None, "must be a mapping"),
        (
            {"town": {"source": town(), "labels": {"tram": "car"}}},
            None,
            "'tram' is no class of town",
        ),
        (MAPS, ["road", "field"], r"members\.town\.labels\.car=vehicle: no class of the run"),
        (
            {"town": {"source": town()}, "grey": {"source": farm(channels=1)}},
            None,
            r"channels \(town 3, grey 1\)",
        ),
    ],
)
def test_what_cannot_be_is_named(members, classes, message):
    with pytest.raises(ConfigError, match=message):
        Combined(members, classes)


def test_the_flaws_of_members_are_those_of_all_of_them():
    one, other = town(), farm()
    one.flaws = {"a picture is left out": "place"}
    both = Combined({"town": {"source": one}, "farm": {"source": other}})
    one.flaws["another is too"] = "there"  # as they are found while samples are listed
    said = {"town: a picture is left out": "place", "town: another is too": "there"}
    assert both.flaws == FirstSamples(both, 1).flaws == said
    left_out = {each.text for each in inspect_source(both).defects if each.kind == "left_out"}
    assert left_out == said.keys()
