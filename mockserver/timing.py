"""When each token is due: TTFT, inter-token latency, jitter, recorded pauses.

Everything that decides a due time lives here; nothing here waits. All times are seconds from the moment the whole request
has been read. Due times are absolute: token 0 is due at TTFT, token k at TTFT plus the sum of the first k pauses.
"""

import math
from array import array
from collections.abc import Iterator
from itertools import count, islice, repeat
from random import Random
from typing import Annotated, ClassVar, Self

from msgspec import Meta, Struct

from mockserver.place import Place
from mockserver.shorthand import Duration, JsonSchema, shorthand

_D = Duration.schema
_PAIR: JsonSchema = {"type": "array", "items": _D, "minItems": 2, "maxItems": 2}
_MAX_SIGMA = 10  # far beyond any real latency, and far below what overflows
_SIGMA: JsonSchema = {"type": "number", "minimum": 0, "maximum": _MAX_SIGMA}
_PARAMETERS: dict[str, tuple[str, ...]] = {
    # the distributions and their parameters; a list gives them in this order
    "uniform": ("min", "max"),
    "normal": ("mean", "sd"),
    "lognormal": ("median", "sigma"),
    "exponential": ("mean",),
}


@shorthand
class Pause:
    """A length of time that may vary: fixed, drawn from a distribution, or recorded.

    A file writes a duration (`20ms`), a range (`[5ms, 15ms]`, uniform), `{uniform: [min, max]}`, `{normal: [mean, sd]}`
    (clipped at 0), `{lognormal: [median, sigma]}` (sigma without unit), `{exponential: mean}`, or `{recorded: [20ms, …]}`,
    which starts again at its beginning when it is used up.
    """

    kind: str = "fixed"
    values: tuple[float, ...] = (0.0,)

    schema: ClassVar[JsonSchema] = {
        "description": "A length of time that may vary: a duration, a range [min, max], a distribution or recorded pauses.",
        "anyOf": [
            _D,
            _PAIR,
            *(
                {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
                for name, schema in {
                    "uniform": _PAIR,
                    "normal": _PAIR,
                    "lognormal": {"type": "array", "prefixItems": [_D, _SIGMA], "minItems": 2, "maxItems": 2},
                    "exponential": _D,
                    "recorded": {"type": "array", "items": _D, "minItems": 1},
                }.items()
            ),
        ],
        "examples": ["20ms", ["5ms", "15ms"], {"normal": ["20ms", "5ms"]}],
    }

    @classmethod
    def decode(cls, value: object) -> Self:
        if isinstance(value, str | int | float):
            return cls("fixed", (float(Duration.decode(value)),))
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError(
                    f"a range has two ends, [min, max]; recorded pauses are written {{recorded: […]}}; got {value!r}"
                )
            return cls("uniform", _read_parameters("uniform", value))
        if isinstance(value, dict) and len(value) == 1:
            [(kind, given)] = value.items()
            return cls(kind, _read_parameters(kind, given))
        raise ValueError(f"expected a duration, a range [min, max] or one of {_names()}, got {value!r}")

    def encode(self) -> object:
        if self.kind == "fixed":
            return self.values[0]
        return {self.kind: self.values[0] if self.kind == "exponential" else list(self.values)}

    @property
    def varies(self) -> bool:
        """Whether a seed makes a difference."""
        return self.kind not in ("fixed", "recorded")

    def lengths(self, random: Random) -> Iterator[float]:
        """An endless series of lengths in seconds, drawn from `random`."""
        a, b = self.values[0], self.values[-1]
        match self.kind:
            case "fixed":
                while True:
                    yield a
            case "recorded":
                while True:
                    yield from self.values
            case "uniform":
                while True:
                    yield random.uniform(a, b)
            case "normal":
                while True:
                    yield max(0.0, random.gauss(a, b))
            case "lognormal":
                while True:
                    yield a * math.exp(random.gauss(0.0, b))
            case _:
                while True:
                    yield a * random.expovariate(1.0)


def _read_parameters(kind: object, given: object) -> tuple[float, ...]:
    """The numbers of a distribution or a recording as a file writes them. Raises `ValueError`."""
    if kind == "recorded":
        if not isinstance(given, list | tuple) or not given:
            raise ValueError(f"recorded takes a list of at least one pause, got {given!r}")
        return tuple(float(Duration.decode(pause)) for pause in given)
    if not isinstance(kind, str) or kind not in _PARAMETERS:
        raise ValueError(f"unknown distribution {kind!r}: expected one of {_names()}")
    names = _PARAMETERS[kind]
    numbers = [given] if len(names) == 1 else given
    if not isinstance(numbers, list | tuple) or len(numbers) != len(names):
        raise ValueError(f"{kind} takes [{', '.join(names)}], got {given!r}")
    read = tuple(
        _read_sigma(n) if name == "sigma" else float(Duration.decode(n)) for name, n in zip(names, numbers, strict=True)
    )
    if kind == "uniform" and read[0] > read[1]:
        raise ValueError(f"a range goes upwards: expected [min, max], got {given!r}")
    return read


def _read_sigma(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MAX_SIGMA:
        return float(value)
    raise ValueError(f"sigma: expected a number from 0 to {_MAX_SIGMA}, without unit, got {value!r}")


def _names() -> str:
    return ", ".join([*_PARAMETERS, "recorded"])


class PauseAt(Struct, frozen=True, forbid_unknown_fields=True):
    """A pause at a named place; everything behind it comes that much later."""

    at: Annotated[Place, Meta(description="Where.")]
    lasts: Annotated[Duration, Meta(description="How long.")]


class Comments(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Comments sent while the next event is waited for, as gateways do to keep a connection alive."""

    every: Annotated[Duration, Meta(description="The time between two of them, and before the first.")]
    text: Annotated[str, Meta(description="The comment, after its colon.")] = " keep-alive"

    def __post_init__(self) -> None:
        if not self.every > 0:
            raise ValueError("comments: expected a time between them of more than 0")


class Timing(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When the tokens of a reply leave, counted from the moment the whole request has been read."""

    ttft: Annotated[Pause | None, Meta(description="Time to first token. Default 0.")] = None
    itl: Annotated[Pause | None, Meta(description="Inter-token latency, the pause between two tokens. Default 0.")] = (
        None
    )
    headers: Annotated[
        Duration | None, Meta(description="When the status line and headers leave. Default: with the first event.")
    ] = None
    burst: Annotated[int, Meta(ge=1, description="Tokens that leave at once, when the first of them is due.")] = 1
    speed: Annotated[float, Meta(gt=0, description="How much faster than told all tokens come, for replays.")] = 1.0
    pauses: Annotated[
        tuple[PauseAt, ...], Meta(description="Pauses at named places, beside those between tokens.")
    ] = ()
    comments: Annotated[Comments | None, Meta(description="Comments while the next event is waited for.")] = None
    seed: Annotated[int | None, Meta(description="Seed of what varies here. Default: the scenario's.")] = None


UNPACED = Timing()
_NO_PAUSE = Pause()


class Schedule:
    """The due times of one reply: iterable again and again with the same result.

    Iterating gives the due time of token 0, 1, 2 … in seconds, without end. `seed` is any text: equal texts give equal
    times.
    """

    __slots__ = ("_seed", "timing")

    def __init__(self, timing: Timing, seed: str = "") -> None:
        self.timing = timing
        self._seed = seed

    @property
    def ttft_s(self) -> float:
        """When token 0 is due."""
        return next(iter(self))

    def take(self, count: int) -> "array[float]":
        """The due times of the first `count` tokens, in an array: a list would take four times as much."""
        times = iter(self)
        return array("d", [next(times)]) * count if isinstance(times, repeat) else array("d", [*islice(times, count)])

    def __iter__(self) -> Iterator[float]:
        times = self._told_times()
        if self.timing.burst > 1:
            times = _in_bursts(times, self.timing.burst)
        speed = self.timing.speed
        return times if speed == 1.0 else (due / speed for due in times)

    def _told_times(self) -> Iterator[float]:
        ttft, itl = self.timing.ttft or _NO_PAUSE, self.timing.itl or _NO_PAUSE
        random = Random(self._seed) if ttft.varies or itl.varies else _UNUSED
        start = next(ttft.lengths(random))
        if itl.kind != "fixed":
            return _sums(start, itl.lengths(random))
        pause = itl.values[0]
        # k * pause, not a running sum: no rounding error builds up.
        return (start + k * pause for k in count()) if pause else repeat(start)


_UNUSED = Random(0)


def _sums(due: float, pauses: Iterator[float]) -> Iterator[float]:
    for pause in pauses:
        yield due
        due += pause


def _in_bursts(times: Iterator[float], size: int) -> Iterator[float]:
    while True:
        burst = list(islice(times, size))
        yield from repeat(burst[0], size)
