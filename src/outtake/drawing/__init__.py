"""Pictures of labels and scores."""
