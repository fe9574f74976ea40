"""What a machine lacks is named with the line that brings it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "build_backend" / "check_machine.sh"
SHELL = shutil.which("sh")


def check(tmp_path, *, tools=("g++", "git"), python=None):
    """Run the check with a PATH that has ``tools`` only, and ``python`` as python3's source."""
    for tool in tools:
        (tmp_path / tool).symlink_to("/bin/true")
    (tmp_path / "uname").symlink_to(shutil.which("uname"))
    fake = tmp_path / "python3"
    if python is None:
        fake.symlink_to(sys.executable)
    elif python:
        fake.write_text(f"#!{SHELL}\n{python}\n")
        fake.chmod(0o755)
    return subprocess.run(
        [SHELL, str(CHECK), "python3"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )


@pytest.mark.parametrize("tool", ["g++", "git"])
def test_a_missing_tool_is_named_with_its_apt_line(tmp_path, tool):
    done = check(tmp_path, tools={"g++", "git"} - {tool})
    assert done.returncode == 1
    assert f"apt-get install {tool}" in done.stderr.replace("  ", " ")


def test_no_python_is_named_with_its_apt_line(tmp_path):
    done = check(tmp_path, python="")
    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr


@pytest.mark.parametrize("version", ["3.9", "3.14"])
def test_a_python_without_ros_wheels_is_named_with_one_that_has_them(tmp_path, version):
    done = check(tmp_path, python=f"echo {version}")
    assert done.returncode == 1
    assert f"is Python {version}" in done.stderr
    assert "apt-get install python3.12 python3.12-venv" in done.stderr


def test_a_missing_venv_module_is_named_with_its_apt_line(tmp_path):
    answers = """case "$2" in
*version_info*) echo 3.11 ;;
*sys.executable*) echo /usr/bin/python3 ;;
*ensurepip*) exit 1 ;;
esac"""
    done = check(tmp_path, python=answers)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_a_complete_machine_passes(tmp_path):
    done = check(tmp_path, python='case "$2" in *version_info*) echo 3.11 ;; esac')
    assert done.returncode == 0, done.stderr
