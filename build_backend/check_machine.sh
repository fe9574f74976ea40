#!/bin/sh
# Says what this machine lacks to build the package, and the line that brings it. Usage:
#   check_machine.sh PYTHON
python=$1
missing=

if ! command -v "$python" >/dev/null 2>&1; then
    echo "make: $python is missing. On Debian and Ubuntu:" >&2
    echo "    sudo apt-get install python3 python3-venv python3-dev g++ make git" >&2
    exit 1
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
    3.10 | 3.11 | 3.12 | 3.13) ;;
    *)
        echo "make: $python is Python $version; 3.10 to 3.13 are supported (ROS wheels exist for" >&2
        echo "those). Install one beside it and name it, for example:" >&2
        echo "    sudo apt-get install python3.12 python3.12-venv python3.12-dev" >&2
        echo "    make demo PYTHON=python3.12" >&2
        exit 1
        ;;
esac

# Debian's own python3 takes the plain package names, any other its version's.
if [ "$("$python" -c 'import sys; print(sys.executable)')" = /usr/bin/python3 ]; then
    package=python3
else
    package=python$version
fi
"$python" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing $package-venv"
"$python" -c 'import os, sys, sysconfig as s
sys.exit(not os.path.isfile(os.path.join(s.get_path("include"), "Python.h")))' ||
    missing="$missing $package-dev"
command -v g++ >/dev/null 2>&1 || missing="$missing g++"
command -v git >/dev/null 2>&1 || missing="$missing git"

if [ -n "$missing" ]; then
    echo "make: missing here:$missing. On Debian and Ubuntu:" >&2
    echo "    sudo apt-get install$missing" >&2
    exit 1
fi

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "make: ROS 2 comes as wheels for x86-64 Linux only; this is $(uname -sm). Build with" >&2
    echo "colcon in a sourced ROS 2 workspace instead (README.md, Install)." >&2
    exit 1
fi
