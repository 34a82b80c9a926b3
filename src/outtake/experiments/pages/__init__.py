"""Self-contained HTML: one file, no network, nothing in it runs that is not ours."""
