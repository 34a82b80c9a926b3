"""From labels to a mask: certainty, agreement over time, regions, shadows, feather."""
