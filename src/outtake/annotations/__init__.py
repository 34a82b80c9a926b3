"""What annotation tools store: objects as polygons, boxes, ellipses and run lengths, by name."""
