"""Single pictures: labels, what is made of them, and objects taken out."""
