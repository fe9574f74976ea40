"""The exception of this package."""


class ModelError(RuntimeError):
    """A model that cannot be loaded, exported or run.

    The message says what was seen, what was expected and what to do.
    """
