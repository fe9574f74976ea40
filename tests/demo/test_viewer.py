import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

from spacesgg_ros.viewer import Question, ViewerServer, ViewerState

GRAPH = {"width": 8, "height": 6, "objects": [{"label": "<b>mug</b>"}], "relations": []}


@pytest.fixture
def state():
    return ViewerState(lambda question: {"ok": True, "text": question.subject, "object_ids": [1]})


@pytest.fixture
def server(state):
    server = ViewerServer(state, port=0)
    server.start()
    yield server
    server.stop()


def fetch(server, path="", body=None, **headers):
    """(status, content type, body) of a request; ``body`` makes it a POST."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url + path, body, names)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read()


@pytest.mark.parametrize(
    "path", ["", "style.css", "viewer.js", "picture.js", "topview.js", "lists.js"]
)
def test_every_file_of_the_page_is_served(server, path):
    status, kind, body = fetch(server, path)
    assert status == 200
    assert kind.startswith("text/")
    assert body


def test_the_page_asks_no_other_server_and_parses_no_text_as_html(server):
    for path in ("", "style.css", "viewer.js", "picture.js", "topview.js", "lists.js"):
        text = fetch(server, path)[2].decode().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.lower().replace("http-equiv", "")
        assert "innerHTML" not in text


def test_the_content_policy_allows_own_files_only(server):
    with urllib.request.urlopen(server.url, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["nothing", "../server.py", "image/1.jpg", "image/x.jpg"])
def test_unknown_paths_are_not_found(server, path):
    assert fetch(server, path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_a_foreign_host_name_is_refused(server, host):
    assert fetch(server, Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1", "[::1]:80"])
def test_loopback_names_are_served_on_any_port_so_that_tunnels_work(server, host):
    assert fetch(server, Host=host)[0] == 200


def test_a_picture_is_served_as_jpeg_until_newer_ones_push_it_out(server, state):
    rgb = np.zeros((6, 8, 3), np.uint8)
    state.publish(GRAPH, {}, rgb)
    status, kind, body = fetch(server, "image/1.jpg")
    assert (status, kind, body[:2]) == (200, "image/jpeg", b"\xff\xd8")
    for _ in range(20):
        state.publish(GRAPH, {}, rgb)
    assert fetch(server, "image/1.jpg")[0] == 404


def test_graphs_are_streamed_as_they_come(server, state):
    state.publish(GRAPH, {"rate_hz": float("nan")})
    with urllib.request.urlopen(server.url + "events", timeout=10) as stream:
        assert stream.headers.get_content_type() == "text/event-stream"
        first = next_event(stream)
        state.publish(GRAPH, {"rate_hz": 15.0})
        second = next_event(stream)
    assert (first["version"], first["status"]["rate_hz"]) == (1, None)
    assert (second["version"], second["status"]["rate_hz"]) == (2, 15.0)
    assert second["graph"]["objects"][0]["label"] == "<b>mug</b>"


def next_event(stream):
    for line in stream:
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_stopping_ends_open_streams(state):
    server = ViewerServer(state, port=0)
    server.start()
    stream = urllib.request.urlopen(server.url + "events", timeout=10)
    server.stop()
    assert stream.read().startswith(b"retry: 1000\n\n")


def test_a_question_is_answered(server):
    body = json.dumps({"subject": "mug", "predicate": "on"}).encode()
    status, _, answer = fetch(server, "query", body, Content_Type="application/json")
    assert status == 200
    assert json.loads(answer) == {"ok": True, "text": "mug", "object_ids": [1]}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Content_Type": "application/json", "Origin": "http://evil.example"}, 403),
        (b"[1]", {"Content_Type": "application/json"}, 400),
        (b"{", {"Content_Type": "application/json"}, 400),
        (b"\xff", {"Content_Type": "application/json"}, 400),
        (b'{"subject": 3}', {"Content_Type": "application/json"}, 400),
        (b'{"shell": "ls"}', {"Content_Type": "application/json"}, 400),
        (b" " * 5000, {"Content_Type": "application/json"}, 413),
    ],
    ids=["plain text", "foreign", "no object", "broken", "no text", "number", "unknown", "long"],
)
def test_a_bad_question_is_refused_with_the_reason(server, body, headers, status):
    got, _, answer = fetch(server, "query", body, **headers)
    assert got == status
    assert json.loads(answer)["error"]


def test_a_taken_port_is_passed_over(state, server):
    taken = int(server.url.rsplit(":", 1)[1].strip("/"))
    if taken > 65000:
        taken = 65000
    other = ViewerServer(ViewerState(), port=taken)
    assert other.url != server.url
    other.stop()


def test_waiting_ends_with_the_next_graph(state):
    seen = []
    waiter = threading.Thread(target=lambda: seen.append(state.wait_newer(0, 10)))
    waiter.start()
    state.publish(GRAPH, {})
    waiter.join(10)
    assert seen[0].version == 1


def test_the_number_of_pages_is_limited(state):
    assert state.join(1)
    assert not state.join(1)
    state.leave()
    assert state.clients == 0


def test_a_question_matches_anything_by_default():
    assert Question() == Question("", "", "", "camera")
