"""Camera image to the pixel values a vision tower reads. numpy and Pillow only.

The pixel values equal those of transformers' Pillow image processors (CLIP, SigLIP, LLaVA),
with one deliberate difference: boxes in scene graph text count 0..999 over the **square-padded**
image, so a processor that would resize the short side and crop the centre (CLIP, as in the
LLaVA-1.5 folders on the hub) pads to a square instead, which is what LLaVA-1.5 was trained
with (``image_aspect_ratio: pad``). A crop would cut objects off and shift every box. A
processor that squeezes the whole image into a square (SigLIP) is padded too, for the same
reason. ``ImagePreprocessor(pad_to_square=False)`` gives the processor's own behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import read_json

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_SIGLIP_MEAN = _SIGLIP_STD = (0.5, 0.5, 0.5)
_DEFAULTS: dict[str, dict[str, Any]] = {
    "CLIPImageProcessor": {
        "size": {"shortest_edge": 224},
        "do_center_crop": True,
        "image_mean": _CLIP_MEAN,
        "image_std": _CLIP_STD,
    },
    "SiglipImageProcessor": {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "image_mean": _SIGLIP_MEAN,
        "image_std": _SIGLIP_STD,
    },
}
_DEFAULTS["LlavaImageProcessor"] = _DEFAULTS["CLIPImageProcessor"]


@dataclass(frozen=True)
class ImagePreprocessor:
    """How one image becomes pixel values.

    Attributes:
        size: ``(height, width)`` to resize to, or one number for the shortest edge.
        crop_size: ``(height, width)`` cut from the centre after that, or None.
        pad_to_square: pad with the mean colour before anything else, centred.
        resample: Pillow's filter number (3 = bicubic, 2 = bilinear).
        rescale_factor: applied to 0..255 values, before mean and std.
    """

    size: tuple[int, int] | int
    crop_size: tuple[int, int] | None
    pad_to_square: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: int = 3
    rescale_factor: float = 1 / 255

    @classmethod
    def from_folder(cls, folder: Path, *, own_geometry: bool = False) -> ImagePreprocessor:
        """Read ``preprocessor_config.json``, or the same inside ``processor_config.json``.

        Args:
            own_geometry: True keeps the processor's own crop or squeeze; False pads to a square
                (see the module's description).

        Raises:
            ModelError: no such file, or an image processor of another kind.
        """
        config = _read_config(folder)
        kind = str(config.get("image_processor_type", "CLIPImageProcessor"))
        kind = kind.removesuffix("Fast").removesuffix("Pil")
        if kind not in _DEFAULTS:
            raise ModelError(
                f"{folder} asks for image processor {kind!r}, expected one of {sorted(_DEFAULTS)}"
            )
        config = {**_DEFAULTS[kind], **config}
        crop = config.get("crop_size", 224) if config["do_center_crop"] else None
        preprocessor = cls(
            size=_read_size(config["size"]),
            crop_size=None if crop is None else _read_pair(crop),
            # Only LLaVA's processor knows do_pad as "make it square".
            pad_to_square=kind == "LlavaImageProcessor" and bool(config.get("do_pad", False)),
            mean=tuple(config["image_mean"]),
            std=tuple(config["image_std"]),
            resample=int(config.get("resample", 3)),
            rescale_factor=float(config.get("rescale_factor", 1 / 255)),
        )
        return preprocessor if own_geometry else preprocessor.padded()

    def padded(self) -> ImagePreprocessor:
        """The same, but the whole square-padded image fills the tower's input."""
        if self.pad_to_square:
            return self
        target = self.crop_size or self.size
        if isinstance(target, int):
            target = (target, target)
        return replace(self, size=target, crop_size=None, pad_to_square=True)

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """``(H, W, 3)`` uint8 RGB to ``(1, 3, height, width)`` float32.

        Raises:
            ValueError: another shape or dtype.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
            raise ValueError(f"expected an (H, W, 3) uint8 RGB image, got {rgb.shape} {rgb.dtype}")
        image = Image.fromarray(pad_to_square(rgb, self.mean) if self.pad_to_square else rgb)
        width, height = self._resized(image.width, image.height)
        if (width, height) != image.size:
            image = image.resize((width, height), resample=Image.Resampling(self.resample))
        pixels = np.asarray(image)
        if self.crop_size is not None:
            pixels = _crop_centre(pixels, *self.crop_size)
        scale = self.rescale_factor / np.asarray(self.std)
        offset = np.asarray(self.mean) / np.asarray(self.std)
        values = pixels.astype(np.float32) * scale.astype(np.float32) - offset.astype(np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return self.size[1], self.size[0]
        short, long = min(width, height), max(width, height)
        # Truncation, not rounding, as transformers has it.
        other = int(self.size * long / short)
        return (self.size, other) if width <= height else (other, self.size)


def pad_to_square(rgb: np.ndarray, mean: tuple[float, ...]) -> np.ndarray:
    """``(H, W, 3)`` centred in a square of side max(H, W) filled with the mean colour.

    The offset is ``(side - dim) // 2`` along both axes, the frame of 0..999 boxes; the colour
    is truncated to integers, as LLaVA does.
    """
    height, width = rgb.shape[:2]
    if height == width:
        return rgb
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = [int(value * 255) for value in mean]
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = rgb
    return square


def _crop_centre(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut from the centre; where the image is smaller, zeros around it."""
    have_height, have_width = pixels.shape[:2]
    top, left = (have_height - height) // 2, (have_width - width) // 2
    if top >= 0 and left >= 0:
        return pixels[top : top + height, left : left + width]
    new_height, new_width = max(height, have_height), max(width, have_width)
    canvas = np.zeros((new_height, new_width, 3), np.uint8)
    pad_top = -(-(new_height - have_height) // 2)
    pad_left = -(-(new_width - have_width) // 2)
    canvas[pad_top : pad_top + have_height, pad_left : pad_left + have_width] = pixels
    top, left = max(0, top + pad_top), max(0, left + pad_left)
    return canvas[top : top + height, left : left + width]


def _read_config(folder: Path) -> dict[str, Any]:
    processor = folder / "processor_config.json"
    if processor.is_file():
        nested = read_json(processor).get("image_processor")
        if isinstance(nested, dict):
            return nested
    file = folder / "preprocessor_config.json"
    if not file.is_file():
        raise ModelError(
            f"{folder} has neither preprocessor_config.json nor an image processor "
            "in processor_config.json; copy the folder again"
        )
    return read_json(file)


def _read_size(size: Any) -> tuple[int, int] | int:
    if isinstance(size, dict) and size.get("shortest_edge"):
        return int(size["shortest_edge"])
    return _read_pair(size)


def _read_pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, dict) and size.get("height") and size.get("width"):
        return int(size["height"]), int(size["width"])
    raise ModelError(f"image size {size!r} not understood; expected height and width in pixels")
