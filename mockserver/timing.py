"""When each token is due: TTFT, inter-token latency, jitter, recorded pauses.

Everything that decides a due time lives here; nothing here waits. All times are seconds from the moment the whole request
has been read. Due times are absolute: token 0 is due at TTFT, token k at TTFT plus the sum of the first k pauses.
"""

import math
from collections.abc import Iterator
from random import Random
from typing import Annotated, Any, ClassVar, Self

from msgspec import Meta, Struct

from mockserver.shorthand import Duration, JsonSchema, shorthand

_D = Duration.schema
_PARAMETERS: dict[str, tuple[str, ...]] = {
    # name -> its parameters, in the order of the short list form
    "fixed": ("value",),
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
            {"type": "array", "items": _D, "minItems": 2, "maxItems": 2},
            *(
                {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
                for name, schema in {
                    "uniform": {"type": "array", "items": _D, "minItems": 2, "maxItems": 2},
                    "normal": {"type": "array", "items": _D, "minItems": 2, "maxItems": 2},
                    "lognormal": {"type": "array", "items": _D, "minItems": 2, "maxItems": 2},
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
            return cls("fixed", (Duration.decode(value),))
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ValueError(f"a range has two ends; write {{recorded: [...]}} for recorded pauses, got {value!r}")
            value = {"uniform": list(value)}
        if isinstance(value, dict) and len(value) == 1:
            [(kind, given)] = value.items()
            numbers = tuple(Duration.decode(n) for n in (given if isinstance(given, list | tuple) else [given]))
            _check_parameters(kind, numbers)
            return cls(kind, numbers)
        names = ", ".join([*_PARAMETERS, "recorded"])
        raise ValueError(f"expected a duration, a range [min, max] or one of {names}, got {value!r}")

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
                    yield random.expovariate(1.0 / a) if a else 0.0


def _check_parameters(kind: object, numbers: tuple[float, ...]) -> None:
    if kind == "recorded":
        if not numbers:
            raise ValueError("recorded pauses: expected at least one")
        return
    if not isinstance(kind, str) or kind not in _PARAMETERS:
        raise ValueError(f"unknown distribution {kind!r}: expected one of {', '.join([*_PARAMETERS, 'recorded'])}")
    expected = _PARAMETERS[kind]
    if len(numbers) != len(expected):
        raise ValueError(f"{kind} takes [{', '.join(expected)}], got {len(numbers)} numbers")
    if kind == "uniform" and numbers[0] > numbers[1]:
        raise ValueError(f"a range goes upwards: expected [min, max], got {[float(n) for n in numbers]}")


class Timing(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When the tokens of a reply leave, counted from the moment the whole request has been read."""

    ttft: Annotated[Pause | None, Meta(description="Time to first token. Default 0.")] = None
    itl: Annotated[Pause | None, Meta(description="Inter-token latency, the pause between two tokens. Default 0.")] = (
        None
    )
    headers: Annotated[
        Duration | None, Meta(description="When the status line and headers leave. Default: with the first event.")
    ] = None
    seed: Annotated[int | None, Meta(description="Seed of what varies here. Default: the scenario's.")] = None


UNPACED = Timing()
_NO_PAUSE = Pause()


class Schedule:
    """The due times of one reply: iterable again and again with the same result.

    Iterating gives the due time of token 0, 1, 2 … in seconds, without end. `seed` is any text: equal texts give equal
    times.
    """

    __slots__ = ("_seed", "_timing")

    def __init__(self, timing: Timing, seed: str = "") -> None:
        self._timing = timing
        self._seed = seed

    @property
    def headers_s(self) -> float | None:
        """When the head leaves at the latest, or None: with the first event."""
        return self._timing.headers

    @property
    def ttft_s(self) -> float:
        return next(iter(self))

    def __iter__(self) -> Iterator[float]:
        ttft, itl = self._timing.ttft or _NO_PAUSE, self._timing.itl or _NO_PAUSE
        random = Random(self._seed if ttft.varies or itl.varies else 0)
        start = next(ttft.lengths(random))
        if itl.kind == "fixed":  # k * pause, not a running sum: no rounding error builds up
            pause = itl.values[0]
            k = 0
            while True:
                yield start + k * pause
                k += 1
        else:
            due = start
            for pause in itl.lengths(random):
                yield due
                due += pause


def first(times: Any) -> float:
    """The first due time of a schedule."""
    return float(next(iter(times)))
