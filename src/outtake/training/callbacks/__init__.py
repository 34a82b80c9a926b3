"""Lightning callbacks, one file each, named as the thing it does."""
