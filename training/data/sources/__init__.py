"""Data sets read into grounded images: one reader a format, bad records set aside with a reason."""
