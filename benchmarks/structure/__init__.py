"""How far one frame and one sample travel through the code."""
