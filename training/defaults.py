"""Where the commands look when no option says otherwise, relative to the working directory."""

from pathlib import Path

DATA_DIR = Path("data/scenes")
CACHE_DIR = Path("data/cache")
RUN_DIR = Path("runs/embedded")
MODEL_DIR = Path("models/tabletop")
