"""A training recipe: YAML in, typed settings or one clear error out. Needs no torch.

Paths are relative to the working directory, as everywhere on the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.resources import resource
from spacesgg_ros.training.data.rows import TASKS

LLAMA_LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
PARTS = ("projector", "language_model")


@dataclass(frozen=True)
class DataSource:
    """A file of instruction rows.

    Attributes:
        rows: the file. images: what its image paths are relative to; empty: the file's folder.
        weights: task to its share of all samples, relative to the other weights of the recipe;
            tasks that are not named are left out. Empty: every row once an epoch.
        near_copies: lists of objects hold near copies of their boxes, and are not learnt: the
            relations are, which copy from them.
    """

    rows: str
    images: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    near_copies: bool = False

    @property
    def image_root(self) -> Path:
        return Path(self.images) if self.images else Path(self.rows).parent


@dataclass(frozen=True)
class TrainedParts:
    """What learns. ``language_model``: every weight, an adapter, or nothing."""

    projector: bool = True
    language_model: Literal["full", "lora", "frozen"] = "full"
    vision_tower: bool = False


@dataclass(frozen=True)
class Lora:
    """Shape of the adapter; ``targets``: names of linear layers inside the language model."""

    rank: int
    alpha: float
    targets: tuple[str, ...] = ()
    dropout: float = 0.0


@dataclass(frozen=True)
class LearningRates:
    """Peak rate a part; a part without its own takes ``default``."""

    default: float
    projector: float | None = None
    language_model: float | None = None
    vision_tower: float | None = None


@dataclass(frozen=True)
class Optimiser:
    """``muon``: for the matrices of projector and decoder layers; AdamW for all else."""

    name: Literal["adamw", "muon"] = "adamw"
    betas: tuple[float, ...] = (0.9, 0.999)
    weight_decay: float = 0.0
    epsilon: float = 1e-8
    clip_norm: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """After a linear warm-up (a share of all steps) down to ``final`` times the peak."""

    name: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.03
    final: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Rows a process a step = ``size`` x ``accumulation``. ``max_length``: tokens, image included;
    longer rows are left out."""

    size: int
    accumulation: int = 1
    by_length: bool = True
    max_length: int = 2048


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on; see ``docs/training.md``."""

    model: str
    data: tuple[DataSource, ...]
    learning_rate: LearningRates
    batch: Batch
    kind: Literal["llava"] = "llava"
    train: TrainedParts = TrainedParts()
    lora: Lora | None = None
    fresh: tuple[str, ...] = ()
    language_model_from: str = ""
    layers: int = 0
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    epochs: float = 1.0
    max_steps: int = 0
    cached_tower: bool = False
    coordinate_sigma: float = 0.0
    box_noise: int = 0
    gradient_checkpointing: bool = False
    compile: bool = False
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    save_precision: Literal["fp32", "bf16", "fp16"] = "fp16"
    parallel: Literal["none", "fsdp", "deepspeed-zero2", "deepspeed-zero3"] = "none"
    seed: int = 0
    workers: int = 0
    log_every: int = 10
    save_every: int = 500
    prune: int = 2
    cache: str = "data/cache/training"

    def __post_init__(self) -> None:
        if reason := explain_refusal(self):
            raise InputError(reason)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a YAML file would hold them."""
        return _plain(dataclasses.asdict(self))


def find_recipe(name: str | Path) -> Path:
    """A recipe file, or a shipped recipe by name: ``embedded/stage1``.

    Raises:
        InputError: neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    recipes = resource("training/recipes")
    shipped = {str(f.relative_to(recipes).with_suffix("")): f for f in recipes.rglob("*.yaml")}
    if str(name) in shipped:
        return shipped[str(name)]
    raise InputError(
        f"no recipe {name}: expected a YAML file or one of {', '.join(sorted(shipped))}"
        + suggest(str(name), shipped)
    )


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The YAML of a recipe with ``a.b=value`` overrides; values are YAML, lists count from 0.

    Raises:
        InputError: not YAML, no mapping, or an override that leads nowhere.
    """
    try:
        settings = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path} holds no settings; expected lines like 'model: FOLDER'")
    for override in overrides:
        key, found, text = override.partition("=")
        if not found or not key:
            raise InputError(f"--set wants KEY=VALUE, e.g. batch.size=8; got {override!r}")
        try:
            _put(settings, key.split("."), parse_yaml(text))
        except yaml.YAMLError as error:
            raise InputError(f"--set {override}: the value is not YAML: {error}") from error
    return settings


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe file as settings that fit together.

    Raises:
        InputError: an unknown key (with the nearest known one), a value of the wrong kind, or
            settings that contradict each other.
    """
    return make_recipe(read_settings(path, overrides), str(path))


def parse_yaml(text: str) -> Any:
    """YAML's safe subset, in which 1e-3 is a number as well (1.1 asks for 1.0e-3)."""
    return yaml.load(text, Loader=_Loader)


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def make_recipe(settings: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """As ``read_recipe``, from values in memory; a bare number is every part's learning rate."""
    settings = dict(settings)
    if not isinstance(settings.get("learning_rate", {}), Mapping):
        settings["learning_rate"] = {"default": settings["learning_rate"]}
    recipe: Recipe = _build(Recipe, settings, name)
    return recipe


def explain_refusal(recipe: Recipe) -> str:
    """Why settings cannot be meant as they are; empty if they can. Looks at no file."""
    train, tasks = recipe.train, [t for source in recipe.data for t in source.weights]
    rates = recipe.learning_rate
    numbers = {
        "batch.size": recipe.batch.size,
        "batch.accumulation": recipe.batch.accumulation,
        "batch.max_length": recipe.batch.max_length,
        "log_every": recipe.log_every,
        "save_every": recipe.save_every,
        "prune": recipe.prune,
        "learning_rate": rates.default,
    }
    too_small = [name for name, value in numbers.items() if value <= 0]
    if too_small:
        return f"{too_small[0]} must be above 0"
    if not recipe.data:
        return "data is empty: give at least one rows file"
    if not (train.projector or train.vision_tower or train.language_model != "frozen"):
        return "nothing trains: set train.projector, train.language_model or train.vision_tower"
    if recipe.cached_tower and train.vision_tower:
        return (
            "cached_tower keeps the tower's outputs, so the tower cannot train: "
            "set train.vision_tower or cached_tower to false"
        )
    if train.language_model == "lora":
        if recipe.lora is None:
            return "train.language_model is lora: give lora.rank, lora.alpha and lora.targets"
        if recipe.lora.rank < 1 or not recipe.lora.targets:
            return "lora needs a rank of at least 1 and targets, e.g. [q_proj, v_proj]"
        if train.vision_tower:
            return "an adapter and a training tower do not go together: choose full, or freeze it"
    elif recipe.lora is not None:
        return f"lora is set, but train.language_model is {train.language_model}"
    if unknown := set(recipe.fresh) - set(PARTS):
        return f"fresh knows {', '.join(PARTS)}; got {', '.join(sorted(unknown))}"
    frozen = {"projector": not train.projector, "language_model": train.language_model != "full"}
    for part in recipe.fresh:
        if frozen[part]:
            return f"fresh: {part} would stay random, as train.{part} does not train it in full"
    if recipe.language_model_from and "language_model" in recipe.fresh:
        return "language_model_from and fresh: language_model contradict each other"
    if unknown := set(tasks) - set(TASKS):
        return f"unknown task {min(unknown)!r} in data.weights; one of {', '.join(TASKS)}"
    if tasks and not all(source.weights for source in recipe.data):
        return "give weights to every data entry or to none"
    weights = [w for source in recipe.data for w in source.weights.values()]
    if any(w < 0 for w in weights) or (weights and not sum(weights)):
        return "data.weights must not be negative, and not all 0"
    if recipe.optimiser.name == "muon" and recipe.parallel != "none":
        return "muon needs whole matrices: parallel must be none"
    if recipe.parallel == "deepspeed-zero3" and (
        recipe.cached_tower or recipe.fresh or recipe.language_model_from
    ):
        return (
            "deepspeed-zero3 cuts the weights up while they load, so cached_tower, fresh and "
            "language_model_from cannot work: choose deepspeed-zero2 or fsdp"
        )
    if len(recipe.optimiser.betas) != 2:
        return f"optimiser.betas are two numbers; got {list(recipe.optimiser.betas)}"
    if recipe.layers and train.language_model != "full":
        return "layers grows the language model, which has to train: set train.language_model: full"
    if recipe.coordinate_sigma < 0:
        return f"coordinate_sigma must not be negative; got {recipe.coordinate_sigma:g}"
    if not 0 <= recipe.box_noise <= 50:
        return f"box_noise is in thousandths of the picture, 0 to 50; got {recipe.box_noise}"
    if recipe.max_steps <= 0 and recipe.epochs <= 0:
        return "give max_steps or epochs above 0"
    if not (0 <= recipe.schedule.warmup < 1 and 0 <= recipe.schedule.final <= 1):
        return "schedule.warmup and schedule.final are shares between 0 and 1"
    return ""


def suggest(name: str, known: typing.Iterable[str]) -> str:
    """``; did you mean X?`` or nothing."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _put(settings: Any, keys: list[str], value: Any) -> None:
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        where = ".".join(keys[: depth + 1])
        if isinstance(settings, list):
            if not key.isdigit() or int(key) >= len(settings):
                raise InputError(f"--set {where}: a list of {len(settings)}, counted from 0")
            index: Any = int(key)
        elif isinstance(settings, dict):
            index = key
            if not last and not isinstance(settings.get(key), dict | list):
                settings[key] = {}
        else:
            raise InputError(f"--set {where}: {settings!r} has nothing inside")
        if last:
            settings[index] = value
        else:
            settings = settings[index]


def _build(kind: Any, value: Any, where: str) -> Any:
    """``value`` as ``kind``: a dataclass, a container of such, or a plain type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _build(next(a for a in arguments if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected settings, got {value!r:.60}")
        hints = typing.get_type_hints(kind)
        for key in value:
            if key not in hints:
                raise InputError(
                    f"{where}: unknown key {key!r}; there are {', '.join(hints)}"
                    + suggest(str(key), hints)
                )
        built = {k: _build(hints[k], v, f"{where}: {k}") for k, v in value.items()}
        fields = dataclasses.fields(kind)
        missing = [
            f.name
            for f in fields
            if f.name not in built
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise InputError(f"{where}: {', '.join(missing)} must be given")
        return kind(**built)
    if origin is Literal:
        if value not in arguments:
            raise InputError(f"{where}: expected one of {', '.join(arguments)}; got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: expected a list, got {value!r:.60}")
        return tuple(_build(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected name: number pairs, got {value!r:.60}")
        return {str(k): _build(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    return _convert(kind, value, where)


def _convert(kind: type, value: Any, where: str) -> Any:
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(value, kind) and (kind is not int or not isinstance(value, bool)):
        return value
    raise InputError(f"{where}: expected {kind.__name__}, got {value!r:.60}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
