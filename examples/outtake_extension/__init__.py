"""One example of each thing that can be added to Outtake, from a package outside of it."""
