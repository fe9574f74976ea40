"""Train the embedded model: the tower with boxes first, then projector and decoder with text."""
