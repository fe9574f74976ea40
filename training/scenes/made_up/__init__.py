"""Models that are drawn by functions, for classes of which the catalogue has too few.

They are as unlike each other as things of a class are in the world, and simple: what they teach
is which shapes a name covers.
"""

from . import devices, furniture, household, plants, seating, tableware
from .shapes import Maker

MAKERS: dict[str, Maker] = (
    tableware.MAKERS
    | plants.MAKERS
    | devices.MAKERS
    | household.MAKERS
    | seating.MAKERS
    | furniture.MAKERS
)
