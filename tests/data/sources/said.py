"""What is said of a data set while it is opened."""

import warnings

from outtake.data.inspection import inspect_source
from outtake.data.source import DataWarning


def said_of(open_it):
    """What is said when a source is opened and its training samples are listed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        source = open_it()
        source.samples("train")
    lines = {str(each.message) for each in caught if each.category is DataWarning}
    left_out = {each.text for each in inspect_source(source).defects if each.kind == "left_out"}
    assert lines == left_out, "verify lists what training says"
    return lines
