"""The embedded study: images drawn on the spot, and the seven small encoders trained on such images."""
