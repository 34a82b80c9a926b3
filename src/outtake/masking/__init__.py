"""From labels to masks: class selection, temporal vote, morphology, shadows, reflections."""
