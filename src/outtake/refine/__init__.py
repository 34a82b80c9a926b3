"""Labels and edges of a single picture: outlines that follow it, regions, contours."""
