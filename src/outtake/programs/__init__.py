"""The programs: one readable function each, called by the root scripts and by tests."""
