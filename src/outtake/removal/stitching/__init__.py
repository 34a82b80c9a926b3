"""The background of a shot as one picture."""
