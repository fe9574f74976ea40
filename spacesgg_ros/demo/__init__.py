"""The demo: a recorded camera, the node and a place to watch the graph, in one command.

``recording`` reads bags, ``player`` publishes one as a camera driver would, ``monitor`` listens
to the node, ``terminal`` and :mod:`spacesgg_ros.viewer` show what it says, ``session`` starts
and stops it all.
"""


class DemoError(RuntimeError):
    """The demo cannot go on; the message says what was seen and what to do."""
