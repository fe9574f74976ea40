"""Prompts, and how a prompt becomes the text that a model reads.

A model folder that brings a chat template is asked through it (jinja2 sandbox, as
transformers does); any other through vicuna v1, the template of LLaVA-1.5. An answer follows
``ASSISTANT:`` without a space in the template this package writes: see ``CHAT_TEMPLATE``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from spacesgg_ros.vlm.errors import ModelError

SCENE_GRAPH_PROMPT = "Write the scene graph."
"""The one prompt the embedded model is trained on for graphs."""

TAGGED_SCENE_GRAPH_PROMPT = (
    "Describe the spatial layout of the image from near to far. Tag every object as "
    "<ref>name</ref><box>[[x1, y1, x2, y2]]</box> and every relation as "
    "<pred>relation</pred><box>[[subject box]]</box><box>[[object box]]</box>."
)
"""For checkpoints trained on AS-V2 or SpaceSGG, which answer with tags inside prose."""

CLASSIFY_PROMPT = "What is the spatial relation of the {subject} to the {object}?"
"""VSD classification; the answer is one of ``spacesgg_ros.graph.VSD_LABELS``."""

DESCRIBE_PROMPT = "Describe in one sentence where the {subject} is in relation to the {object}."
"""VSD single description."""

OPEN_PROMPT = "Describe in several sentences how the {subject} and the {object} are arranged."
"""VSD open-ended description."""

IMAGE_TOKEN = "<image>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: "
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% endif %}"
    "{% endfor %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% endif %} "
    "{% elif message['role'] == 'assistant' %}ASSISTANT:"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{{ eos_token }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""The template that goes into the folders this package writes (vicuna v1, one image)."""


def render_vicuna(prompt: str, history: Sequence[tuple[str, str]] = (), eos: str = "</s>") -> str:
    """``prompt`` about one image in the vicuna v1 template, up to where the answer starts.

    Args:
        history: ``(prompt, answer)`` of the turns before it.
    """
    prompts = [*(asked for asked, _ in history), prompt]
    prompts[0] = f"{IMAGE_TOKEN}\n{prompts[0]}"
    turns = [f"USER: {asked} ASSISTANT:" for asked in prompts]
    answers = [answer + eos for _, answer in history]
    return "".join(turn + answer for turn, answer in zip(turns, [*answers, ""], strict=True))


def render_training_text(prompt: str, answer: str, eos: str = "</s>") -> str:
    """Prompt and answer as ``CHAT_TEMPLATE`` writes them; the loss belongs to answer + eos."""
    return f"{render_vicuna(prompt)}{answer}{eos}"


def read_chat_template(folder: Path) -> str | None:
    """The chat template of a model folder, from the places transformers keeps it, or None.

    Raises:
        ModelError: a file that may hold it is not JSON.
    """
    jinja_file = folder / "chat_template.jinja"
    if jinja_file.is_file():
        return jinja_file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        file = folder / name
        if not file.is_file():
            continue
        try:
            template = json.loads(file.read_text(encoding="utf-8")).get("chat_template")
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
            raise ModelError(f"{file} is not a JSON object ({error}); copy it again") from error
        if isinstance(template, str):
            return template
    return None


def render_prompt(
    prompt: str,
    template: str | None,
    special_tokens: dict[str, str],
    history: Sequence[tuple[str, str]] = (),
) -> str:
    """The text a model reads for ``prompt`` about one image, with ``IMAGE_TOKEN`` in it once.

    Args:
        template: jinja source, or None for vicuna v1.
        special_tokens: ``bos_token``, ``eos_token``, ... for the template.
        history: ``(prompt, answer)`` of the turns before; the image stands in the first.

    Raises:
        ModelError: the template fails, or does not place exactly one image.
    """
    if IMAGE_TOKEN in prompt:
        raise ModelError(f"a prompt must not contain {IMAGE_TOKEN}; got {prompt!r}")
    if template is None:
        return render_vicuna(prompt, history, special_tokens.get("eos_token", "</s>"))
    import jinja2

    messages: list[dict[str, Any]] = []
    for asked, answer in (*history, (prompt, None)):
        image = [] if messages else [{"type": "image"}]
        messages.append({"role": "user", "content": [*image, {"type": "text", "text": asked}]})
        if answer is not None:
            content = [{"type": "text", "text": answer}]
            messages.append({"role": "assistant", "content": content})
    try:
        text = _compile_template(template).render(
            messages=messages, add_generation_prompt=True, **special_tokens
        )
    except (jinja2.TemplateError, TypeError) as error:
        raise ModelError(
            f"the model's chat template cannot render one image and a question: {error}; "
            "correct chat_template.jinja, or remove it to use vicuna v1"
        ) from error
    if text.count(IMAGE_TOKEN) != 1:
        raise ModelError(
            f"the model's chat template must place {IMAGE_TOKEN} once; it wrote {text!r}"
        )
    return str(text)


@functools.lru_cache(maxsize=8)
def _compile_template(template: str) -> Any:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _generation_extension()],
    )
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return environment.from_string(template)


def _generation_extension() -> type:
    """LLaVA's templates mark answers with ``{% generation %}``; for a prompt it means nothing."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012  (jinja2's own declaration)

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    return Generation
