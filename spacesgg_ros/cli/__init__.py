"""The ``spacesgg`` command. One module a subcommand; each imports its needs when it runs."""
