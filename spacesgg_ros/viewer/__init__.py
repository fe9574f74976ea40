"""A local web page that shows a live scene graph. Knows nothing of ROS: it is fed by a
:class:`~spacesgg_ros.viewer.state.ViewerState`."""

from spacesgg_ros.viewer.server import ViewerServer
from spacesgg_ros.viewer.state import Question, ViewerState

__all__ = ["Question", "ViewerServer", "ViewerState"]
