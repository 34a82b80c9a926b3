"""Many run folders on one page: read, told apart, grouped by seed, thinned."""
