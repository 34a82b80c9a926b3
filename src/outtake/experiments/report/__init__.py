"""The report of one evaluation: more numbers for ``metrics.json``, and a page that shows them."""
