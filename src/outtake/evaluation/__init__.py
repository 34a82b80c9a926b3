"""What is scored, and how it is counted."""
