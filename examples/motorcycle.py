"""A real RGB-D frame as a recording: Middlebury's motorcycle, from scikit-image.

    pip install scikit-image
    python examples/motorcycle.py motorcycle.mcap
    spacesgg demo --bag motorcycle.mcap

The embedded model knows tabletop things only and will not recognise a garage; the frame shows
how the path from a camera to metric positions takes a real picture. Scharstein et al., "High-
resolution stereo datasets with subpixel-accurate ground truth", GCPR 2014.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from spacesgg_ros.demo.still_camera import StillFrame, record_still
from spacesgg_ros.extras import require
from spacesgg_ros.graph.types import Intrinsics

# The pair's calibration at scikit-image's 741x500 pixels.
FOCAL_PX, CX, CY = 994.978, 311.193, 254.877
BASELINE_M = 0.193001
DOFFS_PX = 31.086
"""Difference of the two cameras' principal points: Z = f B / (disparity + doffs)."""


def read_motorcycle() -> StillFrame:
    """The left picture with depth from the ground-truth disparity."""
    left, _, disparity = require("skimage.data", "dev").stereo_motorcycle()
    with np.errstate(invalid="ignore"):
        depth = FOCAL_PX * BASELINE_M / (disparity + DOFFS_PX)
    depth[~np.isfinite(disparity)] = np.nan
    height, width = depth.shape
    camera = Intrinsics(FOCAL_PX, FOCAL_PX, CX, CY, width, height)
    return StillFrame(np.ascontiguousarray(left), depth.astype(np.float32), camera)


def main() -> None:
    """Write the recording."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the .mcap file to write")
    out = parser.parse_args().out
    record_still(out, read_motorcycle())
    print(f"Wrote {out}. Now: spacesgg demo --bag {out}")


if __name__ == "__main__":
    main()
