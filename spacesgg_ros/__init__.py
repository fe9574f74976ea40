"""Live 3D scene graphs from an RGB-D camera (LLaVA-SpaceSGG and LLaVA-VSD on ROS 2).

Sub-packages, in the direction data flows: ``vlm`` (image to text), ``graph`` (text and
depth to scene graph), ``node`` (ROS 2). ``training`` and ``bench`` are offline tools.
"""

__version__ = "0.1.0"
