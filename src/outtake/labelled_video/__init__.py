"""Videos with masks as data sets."""
