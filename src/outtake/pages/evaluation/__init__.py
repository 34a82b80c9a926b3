"""The report of one evaluation."""
