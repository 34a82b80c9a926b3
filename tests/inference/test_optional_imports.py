import pytest

from outtake.core.errors import ConfigError
from outtake.inference.optional_imports import import_optional


def test_a_library_that_is_missing_is_one_line():
    with pytest.raises(ConfigError, match=r"backend=x needs nothing_such.*outtake\[y\]"):
        import_optional("nothing_such.inner", extra="y", required_by="backend=x")
