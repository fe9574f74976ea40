import json

import pytest

from spacesgg_ros.vlm import ModelError
from spacesgg_ros.vlm.prompts import (
    CHAT_TEMPLATE,
    read_chat_template,
    render_prompt,
    render_vicuna,
)

LLAVA_15_STYLE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "<image>\n{% endfor %}"
    "{% if message['role'] != 'assistant' %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ part['text'] + ' ' }}{% endfor %}"
    "{% else %}{% generation %}{{ message['content'][0]['text'] }}{% endgeneration %}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE, LLAVA_15_STYLE])
def test_every_llava_template_gives_vicuna_v1(template: str | None) -> None:
    assert render_prompt("What?", template, {}) == "USER: <image>\nWhat? ASSISTANT:"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ messages[0]['content'][1]['text'] }}", "once"),
        ("{{ raise_exception('no images here') }}", "no images here"),
        ("{% for", "cannot render"),
        ("{{ messages.__class__.__base__.__subclasses__() }}", "cannot render"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        render_prompt("What?", template, {})


def test_a_prompt_cannot_smuggle_in_an_image() -> None:
    with pytest.raises(ModelError, match="must not contain"):
        render_prompt("a <image> b", None, {})


def test_the_template_transformers_renders_is_the_one_rendered_here(clip_folder) -> None:
    transformers = pytest.importorskip("transformers")
    processor = transformers.AutoProcessor.from_pretrained(clip_folder)
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    theirs = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    assert theirs == render_prompt("What?", read_chat_template(clip_folder), {})
    assert theirs == render_vicuna("What?")


@pytest.mark.parametrize("name", ["chat_template.json", "tokenizer_config.json"])
def test_the_template_is_found_where_older_folders_keep_it(tmp_path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"chat_template": "T"}))
    assert read_chat_template(tmp_path) == "T"


def test_no_template_means_none(tmp_path) -> None:
    assert read_chat_template(tmp_path) is None
