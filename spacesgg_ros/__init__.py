"""Live 3D scene graphs from an RGB-D camera (LLaVA-SpaceSGG and LLaVA-VSD on ROS 2).

Sub-packages, in the direction data flows: ``vlm`` (image to text), ``graph`` (text and
depth to scene graph), ``node`` (ROS 2). ``training`` and ``bench`` are offline tools.
"""

import pkgutil
from pathlib import Path

# Imported from a checkout (by the current folder), which has neither the compiled messages nor
# training/ here: the installed package beside it serves them.
if not (Path(__file__).parent / "msg").is_dir():
    __path__ = pkgutil.extend_path(__path__, __name__)

__version__ = "0.1.0"
