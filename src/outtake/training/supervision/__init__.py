"""What trains a network beside its labels: a teacher, and images without labels."""
