"""The model of a delivery: how a reply is sent, its times apart. A part of the file format, as `scenario.py` is."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from mockserver.edits import Edit, Insert, Raw
from mockserver.faults import AnyFault
from mockserver.http import Http
from mockserver.ids import OPENAI_IDS, Ids
from mockserver.json_text import JsonStyle
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.quirks.quirk import Right
from mockserver.sse import Framing
from mockserver.writes import Writes

if TYPE_CHECKING:
    QuirkName = str
    DialectName = str
else:
    QuirkName = Literal[tuple(QUIRKS)]
    DialectName = Literal[tuple(DIALECT_FILES)]


Ordinal = Annotated[int, Meta(ge=1)]


class Delivery(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a reply is sent, its times apart. Each part acts on its own arrow; all may be combined."""

    dialect: Annotated[
        DialectName | None,
        Meta(
            description="A named set of quirks: see `mockserver list`. The rest of the delivery adds to it or is said in its "
            "place; a value that is the default says nothing: for one token a chunk over a dialect that groups write [1]."
        ),
    ] = None
    quirks: Annotated[tuple[QuirkName, ...], Meta(description="Departures of providers: see `mockserver list`.")] = ()
    group: Annotated[
        Ordinal | Literal["all"] | tuple[Ordinal, ...],
        Meta(
            description="Tokens in each chunk: a number, all, or a list of numbers: those of the first chunks, behind which "
            "each chunk carries one."
        ),
    ] = 1
    ids: Annotated[Ids, Meta(description="How ids look.")] = OPENAI_IDS
    json: Annotated[JsonStyle, Meta(description="How chunks are written as JSON.")] = JsonStyle()
    edits: Annotated[tuple[Edit, ...], Meta(description="Changes of chunks by position.")] = ()
    inserts: Annotated[tuple[Insert, ...], Meta(description="Chunks and events of your own.")] = ()
    raw: Annotated[
        Raw | None, Meta(description="The whole stream as raw events or bytes; what would not act on them is refused.")
    ] = None
    framing: Annotated[Framing, Meta(description="How events become lines.")] = Framing()
    http: Annotated[Http, Meta(description="How the HTTP message looks.")] = Http()
    writes: Annotated[Writes, Meta(description="Which bytes leave in one send call.")] = Writes()
    faults: Annotated[tuple[AnyFault, ...], Meta(description="Deliberate departures from a legal delivery.")] = ()
    right: Annotated[
        Right | None, Meta(description="What a right consumer makes of it, where that does not follow from the rest.")
    ] = None
    hides: Annotated[
        tuple[Literal["content", "tool_calls", "tool_ids", "refusal", "reasoning", "finish_reason", "usage"], ...],
        Meta(description="Fields of the outcome that the stream does not carry, where edits take them away."),
    ] = ()

    def __post_init__(self) -> None:
        if wrong := "; ".join(_find_wrong_parts(self)):
            raise ValueError(wrong)


def _find_wrong_parts(delivery: Delivery) -> Iterator[str]:
    unknown = [quirk for quirk in delivery.quirks if quirk not in QUIRKS]
    yield from (f"unknown quirk {quirk!r}{_did_you_mean(quirk, QUIRKS)}" for quirk in unknown)
    if delivery.dialect is not None and delivery.dialect not in DIALECT_FILES:
        yield f"unknown dialect {delivery.dialect!r}{_did_you_mean(delivery.dialect, DIALECT_FILES)}"
    if delivery.raw is not None and not unknown and (idle := ", ".join(_find_idle(delivery, delivery.raw))):
        given = "raw bytes" if delivery.raw.events is None else "raw events"
        yield f"{given} are sent as they are: beside them {idle} would do nothing; leave it out"


_IDLE_BESIDE_EVENTS = ("dialect", "group", "edits")
_IDLE_BESIDE_BYTES = ("dialect", "quirks", "group", "json", "edits", "inserts", "framing")


def _find_idle(delivery: Delivery, raw: Raw) -> Iterator[str]:
    """What acts on an arrow that a raw stream does not take: raw events are no chunks, and raw bytes no events."""
    for name in _IDLE_BESIDE_BYTES if raw.events is None else _IDLE_BESIDE_EVENTS:
        if getattr(delivery, name) != getattr(_PLAIN, name):
            yield f"`{name}`"
    if raw.events is None:
        yield from (f"fault {_name(fault)}" for fault in delivery.faults if fault.arrow == "events")
    else:
        yield from (f"quirk {name}" for name in delivery.quirks if QUIRKS[name].arrow not in ("events", "framing"))


def _name(fault: AnyFault) -> str:
    return str(fault.__struct_config__.tag)


_PLAIN = Delivery()


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; `mockserver list` shows them all"


def check_meaning(delivery: Delivery) -> None:
    """Raise `ValueError` for a stream given raw without a reply, from which nobody could tell what it means."""
    raw = delivery.raw
    if raw is not None and "error" not in (raw.right, delivery.right):
        raise ValueError("a raw stream needs the `reply` that it means, or `right: error` if it means none")
