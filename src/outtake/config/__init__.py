"""Where config becomes objects."""
