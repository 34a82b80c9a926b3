"""Fill holes with what lies around them."""
