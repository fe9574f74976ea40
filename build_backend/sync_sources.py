"""Bring the Python sources of this checkout into the running environment's installed package.

Changed sources need no compiler: the messages that the wheel compiled stay. ``--link`` puts
links there instead, so that an edit counts at once (``make dev``).
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# In the package : in this checkout. The same as pyproject.toml's wheel.packages.
FOLDERS = ("training", "bench", "models", "config", "examples")
GENERATED = {"msg", "srv", "action"}


def sources() -> dict[str, Path]:
    """Entries of the installed package and where each comes from."""
    package = ROOT / "spacesgg_ros"
    entries = {p.name: p for p in package.iterdir() if p.name != "__pycache__"}
    entries |= {name: ROOT / name for name in FOLDERS if (ROOT / name).is_dir()}
    return entries


def is_generated(entry: Path) -> bool:
    """What the compiler made, which this checkout does not have."""
    return entry.name in GENERATED or entry.suffix in (".so", ".c")


def sync(package: Path, link: bool) -> None:
    """Make ``package`` hold this checkout's sources and the generated code, nothing else."""
    wanted = sources()
    for old in package.iterdir():
        if not is_generated(old):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for name, source in wanted.items():
        target = package / name
        if link:
            target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source, target)


def main() -> int:
    package = Path(sysconfig.get_path("purelib")) / "spacesgg_ros"
    if importlib.util.find_spec("rclpy") is None or not (package / "msg").is_dir():
        print(f"{package} has no compiled messages: install the wheel first", file=sys.stderr)
        return 1
    sync(package, "--link" in sys.argv[1:])
    share = Path(sys.prefix) / "share" / "spacesgg_ros"
    for folder in ("launch", "config", "rviz"):
        shutil.copytree(ROOT / folder, share / folder, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
