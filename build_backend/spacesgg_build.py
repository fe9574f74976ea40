"""Build backend: one pyproject.toml, two kinds of wheel.

``pip install .`` makes a pure Python wheel: graph, vlm and training, on any platform.
``pip install '.[ros]' -C ros=kilted`` also compiles the ROS 2 messages against the ROS wheels
of PyPI and lays them out as an ament prefix in the environment's root, so that nothing needs
to be sourced. Everything else is scikit-build-core's work; its settings for the second kind
are the override in pyproject.toml that the environment variable below switches on.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from scikit_build_core import build as _core

Settings = Mapping[str, "str | list[str]"]

OPTION = "ros"
SWITCH = "SPACESGG_ROS_WHEELS"  # pyproject.toml: [[tool.scikit-build.overrides]]

DISTROS = ("kilted",)

# A sourced distribution would be found before the wheels and mixed with them.
SOURCED = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH")


def choose_distro(settings: Settings | None) -> tuple[str | None, dict[str, str | list[str]]]:
    """Split the caller's settings into the ROS distribution asked for and all others.

    Raises:
        SystemExit: a distribution or a platform that has no ROS wheels; says what does.
    """
    rest = dict(settings or {})
    distro = rest.pop(OPTION, None)
    if distro is None:
        return None, rest
    if not isinstance(distro, str) or distro not in DISTROS:
        raise SystemExit(
            f"-C {OPTION}={distro}: PyPI has wheels that fit for {', '.join(DISTROS)} only. "
            "For another distribution build with colcon in a sourced ROS environment."
        )
    here = (sys.platform, platform.machine())
    if here != ("linux", "x86_64") or not (3, 10) <= sys.version_info[:2] <= (3, 13):
        raise SystemExit(
            f"-C {OPTION}={distro}: ROS wheels exist for Python 3.10 to 3.13 on x86-64 Linux; this "
            f"is Python {platform.python_version()} on {'/'.join(here)}. Build with colcon instead."
        )
    return distro, rest


def _enter(settings: Settings | None) -> dict[str, str | list[str]]:
    distro, rest = choose_distro(settings)
    os.environ.pop(SWITCH, None)
    if distro is not None:
        os.environ[SWITCH] = distro
        for name in SOURCED:
            os.environ.pop(name, None)
        # Debian's Python would answer with its own scheme, which no virtual environment reads.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        rest["cmake.define.PYTHON_INSTALL_DIR"] = f"lib/python{version}/site-packages"
    return rest


def get_requires_for_build_wheel(config_settings: Settings | None = None) -> list[str]:
    distro, _ = choose_distro(config_settings)
    requires = list(_core.get_requires_for_build_wheel(_enter(config_settings)))
    return requires + (read_requires(distro) if distro else [])


def read_requires(distro: str) -> list[str]:
    """What compiling the messages against a distribution's wheels needs."""
    file = Path(__file__).with_name(f"ros_{distro}_requires.txt")
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def build_wheel(
    wheel_directory: str,
    config_settings: Settings | None = None,
    metadata_directory: str | None = None,
) -> str:
    return _core.build_wheel(wheel_directory, _enter(config_settings), metadata_directory)


def get_requires_for_build_editable(config_settings: Settings | None = None) -> list[str]:
    return list(_core.get_requires_for_build_editable(_enter_pure(config_settings)))


def build_editable(
    wheel_directory: str,
    config_settings: Settings | None = None,
    metadata_directory: str | None = None,
) -> str:
    return _core.build_editable(wheel_directory, _enter_pure(config_settings), metadata_directory)


def _enter_pure(settings: Settings | None) -> dict[str, str | list[str]]:
    distro, rest = choose_distro(settings)
    if distro is not None:
        raise SystemExit(
            f"-e and -C {OPTION}={distro} do not go together: use `make dev`, which installs the "
            "compiled messages and links the Python sources."
        )
    os.environ.pop(SWITCH, None)
    return rest


def get_requires_for_build_sdist(config_settings: Settings | None = None) -> list[str]:
    return list(_core.get_requires_for_build_sdist(_enter_pure(config_settings)))


def build_sdist(sdist_directory: str, config_settings: Settings | None = None) -> str:
    return _core.build_sdist(sdist_directory, _enter_pure(config_settings))
