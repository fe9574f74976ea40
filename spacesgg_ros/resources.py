"""Where the files that ship with the package are: models, configuration, the demo's bag."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource(path: str | Path) -> Path:
    """The absolute path of a shipped file or folder, in every way of installing.

    Args:
        path: relative, e.g. ``models/tabletop`` or ``config/fastdds_shm.xml``.

    Raises:
        FileNotFoundError: the package has no such file; the message lists where it was looked for.
    """
    # Installed, they lie in the package; in a checkout, beside it.
    places = [_PACKAGE / path]
    if (_PACKAGE.parent / "package.xml").is_file():
        places.append(_PACKAGE.parent / path)
    for place in places:
        if place.exists():
            return place.absolute()
    raise FileNotFoundError(
        f"spacesgg_ros ships no {path} here: looked for {' and '.join(map(str, places))}. "
        "Install the package again (pip install . or colcon build)."
    )
