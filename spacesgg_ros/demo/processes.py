"""The demo's child processes: started with the demo, ended with it, whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = ((signal.SIGINT, 8.0), (signal.SIGTERM, 4.0), (signal.SIGKILL, 4.0))


class Child:
    """A process that works in ``folder``, where its output goes to files.

    It has a session of its own, so that Ctrl-C reaches only the demo, which then stops its
    children in order; should the demo be killed, the kernel ends them.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self._stdout = folder / f"{name}.out"
        self._stderr = folder / f"{name}.log"
        libc = ctypes.CDLL(None)
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write a line to its standard input; a process that has ended does not mind."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def last_line(self) -> str:
        """The newest complete line of its standard output, empty if there is none."""
        lines = _tail(self._stdout, 4096).split("\n")[:-1]
        return lines[-1] if lines else ""

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log (standard error, and standard output where that is empty)."""
        text = _tail(self._stderr, 16384).strip() or _tail(self._stdout, 16384).strip()
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> int:
        """SIGINT, then harder; returns the exit code."""
        for number, patience_s in _STOP_SIGNALS:
            if self._process.poll() is not None:
                break
            self._signal(number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
        code = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            # Its own session is its own process group: children of it are reached too.
            os.killpg(self._process.pid, number)


def _tail(path: Path, size: int) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - size))
        return file.read().decode(errors="replace")
