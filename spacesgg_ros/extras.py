"""Optional dependencies, imported where they are used and named when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingExtraError(ImportError):
    """A module of an optional dependency is not installed; the message names the extra."""


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, which the optional dependency group ``extra`` provides.

    Raises:
        MissingExtraError: the module, or something it imports, is not installed. The message
            names the pip command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise MissingExtraError(
            f"'{module}' is needed here, but '{missing}' cannot be imported ({error}); "
            f"install it with: pip install 'spacesgg_ros[{extra}]'"
        ) from error
