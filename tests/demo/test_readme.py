import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

pytestmark = pytest.mark.skipif(not README.is_file(), reason="the checkout is not here")


def test_links_into_the_repository_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_python_examples_compile():
    for page in PAGES:
        for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            compile(code, page.name, "exec")


def test_every_drop_reason_that_the_docs_name_exists():
    from spacesgg_ros.node.drops import Drop

    known = {reason.value for reason in Drop}
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    named = set(re.findall(r"\b((?:frame|depth|info|keyframe)_[a-z_]+)\b", text))
    parameters = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/parameters.md").read_text(), re.M))
    message_fields = {"depth_spread"}
    assert named - parameters - message_fields <= known


def test_every_topic_and_service_is_in_the_readme():
    text = README.read_text()
    for name in ("`image`", "`depth`", "`camera_info`", "`scene_graph`", "`scene_graph/markers`",
                 "`scene_graph/image`", "`query_relations`", "`describe_relation`"):  # fmt: skip
        assert name in text
