"""The two descriptions of the package agree, and what they promise is there."""

import ast
import importlib.metadata
import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

import spacesgg_ros
from spacesgg_ros.resources import resource

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE_XML = ET.parse(ROOT / "package.xml").getroot()
MAPPING = PYPROJECT["tool"]["scikit-build"]["wheel"]["packages"]


def load(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_versions_are_equal():
    versions = {
        PYPROJECT["project"]["version"],
        PACKAGE_XML.findtext("version"),
        spacesgg_ros.__version__,
    }
    assert len(versions) == 1


def test_name_and_licence_agree():
    assert PACKAGE_XML.findtext("name") == PYPROJECT["project"]["name"] == "spacesgg_ros"
    assert PACKAGE_XML.findtext("license") == PYPROJECT["project"]["license"]
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_commands_exist():
    for target in PYPROJECT["project"]["scripts"].values():
        module, function = target.split(":")
        source = importlib.util.find_spec(module).origin
        tree = ast.parse(Path(source).read_text(encoding="utf-8"))
        names = {getattr(node, "name", None) for node in tree.body} | {
            t.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for t in node.targets
            if isinstance(t, ast.Name)
        }
        assert function in names, target


def test_cmake_and_pip_install_the_same_folders():
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    line = next(row for row in cmake.splitlines() if row.startswith("foreach(folder "))
    folders = set(line.removeprefix("foreach(folder ").rstrip(")").split())
    assert folders == set(MAPPING.values()) - {"spacesgg_ros"}
    assert folders == set(load(ROOT / "build_backend" / "sync_sources.py").FOLDERS)


def test_no_module_hides_the_generated_ones():
    """spacesgg_ros/msg.py and the like would take the place of the compiled messages."""
    taken = {entry.stem for entry in (ROOT / "spacesgg_ros").iterdir()}
    assert not taken & {"msg", "srv", "action"}


def test_shipped_files_are_found():
    for path in ("config/fastdds_shm.xml", "config/scene_graph.yaml"):
        assert resource(path).is_file()
    with pytest.raises(FileNotFoundError, match="looked for"):
        resource("config/nothing.yaml")


def test_every_ros_import_is_declared():
    """What the code imports of ROS stands in package.xml and in the extra."""
    declared = {item.text for tag in ("depend", "exec_depend") for item in PACKAGE_XML.findall(tag)}
    extra = " ".join(PYPROJECT["project"]["optional-dependencies"]["ros"])
    used = set()
    for file in (ROOT / "spacesgg_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                used.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
    ros = {name for name in used if name == "rclpy" or name.endswith("_msgs")}
    # They come with rclpy.
    ros -= {"rcl_interfaces", "rosgraph_msgs"}
    assert ros <= declared, ros - declared
    assert all(f"ros-kilted-{name.replace('_', '-')}" in extra for name in ros)


def test_the_core_imports_no_ros_and_no_torch():
    code = (
        "import sys, spacesgg_ros.graph, spacesgg_ros.vlm, spacesgg_ros.cli.main;"
        "print(sorted({'rclpy', 'torch', 'transformers', 'rosbags'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("file", sorted((ROOT / "launch").glob("*.py")), ids=lambda f: f.name)
def test_launch_files_have_the_entry_that_launch_calls(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "generate_launch_description" in functions
    assert not {"eval", "exec"} & {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


def test_the_wheel_asks_for_ros_only_when_told(monkeypatch):
    pytest.importorskip("scikit_build_core")
    backend = load(ROOT / "build_backend" / "spacesgg_build.py")
    assert backend.choose_distro(None) == (None, {})
    assert backend.choose_distro({"ros": "kilted", "x": "y"}) == ("kilted", {"x": "y"})
    assert any(r.startswith("ros-kilted-rclpy") for r in backend.read_requires("kilted"))
    with pytest.raises(SystemExit, match="colcon"):
        backend.choose_distro({"ros": "jazzy"})
    monkeypatch.setattr(backend.platform, "machine", lambda: "aarch64")
    with pytest.raises(SystemExit, match="x86-64"):
        backend.choose_distro({"ros": "kilted"})


def test_the_build_and_the_extra_pin_the_same_ros():
    extra = PYPROJECT["project"]["optional-dependencies"]["ros"]
    requires = (ROOT / "build_backend" / "ros_kilted_requires.txt").read_text(encoding="utf-8")
    pins = {line for line in requires.splitlines() if "==" in line}
    assert pins and pins <= set(extra)


def test_installed_metadata_names_the_extras():
    try:
        found = importlib.metadata.metadata("spacesgg_ros")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed by pip here (colcon, or make dev)")
    assert {"ros", "gpu", "torch", "train", "scenes", "demo", "dev"} <= set(
        found.get_all("Provides-Extra")
    )


@pytest.mark.slow
def test_a_pure_wheel_has_the_code_and_no_ros(tmp_path):
    """What a training cluster installs: built without CMake, for any platform."""
    pytest.importorskip("scikit_build_core")
    wheel = ROOT / "build_backend" / "spacesgg_build.py"
    code = (
        f"import sys; sys.path.insert(0, {str(wheel.parent)!r});"
        f"import spacesgg_build; print(spacesgg_build.build_wheel({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    file = next(tmp_path.glob("*.whl"))
    assert file.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(file).namelist()
    assert "spacesgg_ros/graph/types.py" in names
    assert any(name.startswith("spacesgg_ros/training/") for name in names)
    assert "spacesgg_ros/config/fastdds_shm.xml" in names
