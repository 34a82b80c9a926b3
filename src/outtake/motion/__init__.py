"""How the camera and things move: tracking, homographies, optical flow, shots."""
