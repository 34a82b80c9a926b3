"""From labels to masks: certainty, agreement over time, regions, shadows."""
