"""Videos in and out: every frame, its exact time and everything beside the picture is kept."""
