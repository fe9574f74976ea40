"""For tools that look for a setup.py; pip and colcon read pyproject.toml and package.xml."""

raise SystemExit("Install with pip (pip install .) or colcon (colcon build); see README.md.")
