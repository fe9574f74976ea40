import json

import numpy as np
import pytest

from spacesgg_ros.vlm import ModelError
from spacesgg_ros.vlm.preprocess import ImagePreprocessor, pad_to_square

CLIP = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 40},
    "crop_size": {"height": 32, "width": 32},
}
SIGLIP = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 36, "width": 36}}
LLAVA_PAD = {
    "image_processor_type": "LlavaImageProcessor",
    "do_pad": True,
    "size": {"height": 32, "width": 32},
    "do_center_crop": False,
    "image_mean": [0.3, 0.5, 0.7],
    "image_std": [0.2, 0.3, 0.4],
}
LLAVA_CROP = {**LLAVA_PAD, "size": {"shortest_edge": 24}, "do_center_crop": True,
              "crop_size": {"height": 24, "width": 24}, "do_pad": False}  # fmt: skip


def write(folder, config) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(config))


def make_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (50, 50), (20, 90), (33, 31)])
@pytest.mark.parametrize("config", [CLIP, SIGLIP, LLAVA_PAD, LLAVA_CROP])
def test_pixels_equal_transformers(tmp_path, config, size) -> None:
    transformers = pytest.importorskip("transformers")
    write(tmp_path, config)
    image = make_image(*size)
    kind = getattr(transformers, config["image_processor_type"] + "Pil")
    theirs = kind.from_pretrained(tmp_path)(image, return_tensors="np")["pixel_values"]
    ours = ImagePreprocessor.from_folder(tmp_path, own_geometry=True)(image)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("config", [CLIP, SIGLIP, LLAVA_PAD, LLAVA_CROP])
def test_the_whole_square_padded_picture_is_seen(tmp_path, config) -> None:
    write(tmp_path, config)
    preprocessor = ImagePreprocessor.from_folder(tmp_path)
    image = np.zeros((30, 60, 3), np.uint8)
    image[:, :6] = 255  # at the left border, which a centre crop would lose
    pixels = preprocessor(image)[0]
    side = pixels.shape[1]
    assert pixels.shape == (3, side, side)
    bright = pixels[0, side // 2, : side // 12].mean()
    assert bright > pixels[0, side // 2, side // 2] + 1
    border = pixels[:, 0, :]  # padding: the mean colour, near zero once normalised
    assert np.abs(border).max() < 0.05


def test_padding_has_the_offset_of_the_box_frame() -> None:
    square = pad_to_square(np.full((3, 6, 3), 9, np.uint8), (0.5, 0.5, 0.5))
    assert (square[1:4] == 9).all()
    assert (square[[0, 4, 5]] == 127).all()


def test_settings_inside_the_processor_file_win(tmp_path) -> None:
    write(tmp_path, SIGLIP)
    nested = {"image_processor": LLAVA_PAD}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert ImagePreprocessor.from_folder(tmp_path).size == (32, 32)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_anything_but_an_rgb_image_is_refused(tmp_path, image) -> None:
    write(tmp_path, CLIP)
    with pytest.raises(ValueError, match="expected an"):
        ImagePreprocessor.from_folder(tmp_path)(image)


def test_an_unknown_image_processor_is_named(tmp_path) -> None:
    write(tmp_path, {"image_processor_type": "SamImageProcessor"})
    with pytest.raises(ModelError, match="SamImageProcessor"):
        ImagePreprocessor.from_folder(tmp_path)
