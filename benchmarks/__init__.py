"""Measurements that a user can repeat, each a ratio against a named peer or limit."""
