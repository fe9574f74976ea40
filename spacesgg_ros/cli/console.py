"""What subcommands share: exit codes and where messages go."""

from __future__ import annotations

import enum

from rich.console import Console


class ExitCode(enum.IntEnum):
    """Exit status of ``spacesgg``."""

    OK = 0
    FAILED = 1  # it ran and fell short: a missed bar, a demo without a graph
    USAGE = 2
    BAD_INPUT = 3
    MODEL = 4
    NOT_INSTALLED = 5


class InputError(ValueError):
    """A file or value that the user gave and that cannot be used; says what was expected."""


messages = Console(stderr=True)
"""For people: progress, warnings, errors."""

output = Console()
"""For the result."""
