"""The tests run against the installed package: only there are the compiled messages."""

import sys
from pathlib import Path

# `python -m pytest` puts the checkout first on the path, where spacesgg_ros has no msg/.
_CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _CHECKOUT]
