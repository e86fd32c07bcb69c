"""Hypothesis: faults, each with its options."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from mockserver.faults import FAULTS, Fault
from mockserver.faults.told import SHAPES
from mockserver.place import Place
from mockserver.shorthand import Duration, Size
from mockserver.strategies.places import durations, event_refs, places

_SMALL = st.integers(1, 3000).map(Size)
_AT = {"at": places}
_EVENT = {"event": event_refs}
FAULT_OPTIONS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "truncate": _AT,
    "close": _AT,
    "reset": {**_AT, "drain": st.booleans()},
    "half_close": _AT,
    "stall": {**_AT, "lasts": durations},
    "bad_json": {**_EVENT, "data": st.sampled_from(("", "{", "NaN,", "{}"))},
    "half_event": _EVENT,
    "bad_utf8": {**_EVENT, "bytes": st.sampled_from(("ff", "c3", "eda080", "fffe"))},
    "duplicate": _EVENT,
    "drop": _EVENT,
    "swap": _EVENT,
    "done_suffix": {**_EVENT, "text": st.sampled_from(("xyz", "\nxyz", " "))},
    "after_done": {"events": st.just(("{}", "[DONE]"))},
    "only": {"what": st.sampled_from(("done", "comments", "nothing"))},
    "error_event": {
        **_AT,
        "shape": st.sampled_from(tuple(SHAPES)),
        "then": st.sampled_from(("end", "done", "close", "go_on")),
        "message": st.sampled_from(("Overloaded", "é")),
        "code": st.just("overloaded"),
    },
    "other_body": {
        "what": st.sampled_from(("html", "error", "completion")),
        "text": st.sampled_from(("", "<p>", "[1]", "no")),
        "content_type": st.just("text/event-stream"),
    },
    "damaged_coding": _EVENT,
    "wrong_length": {"by": st.integers(-500, 500)},
    "bad_chunk": _AT,
    "endless": {
        **_AT,
        "what": st.sampled_from(("line", "event", "comments", "blank")),
        "size": _SMALL,
        "every": st.sampled_from((Duration(0.001), Duration(0.002))),
    },
    "gzip_bomb": {**_AT, "size": st.integers(1, 200_000).map(Size)},
    "large_event": {**_AT, "size": st.integers(1, 200_000).map(Size)},
    "many_chunks": {**_EVENT, "count": st.integers(1, 300)},
}
_ALWAYS = {"endless": ("size",), "gzip_bomb": ("size",), "large_event": ("size",), "many_chunks": ("count",)}
"""Options without which a fault would be too large for a test that runs a hundred times."""


def fault(name: str, at: st.SearchStrategy[Place] = places) -> st.SearchStrategy[Fault]:
    """A fault of one kind, with any options."""
    options = {option: at if option == "at" else values for option, values in FAULT_OPTIONS[name].items()}
    always = {option: options.pop(option) for option in _ALWAYS.get(name, ())}
    kind = FAULTS[name]
    return st.fixed_dictionaries(always, optional=options).map(lambda given: kind(**given))


def faults(
    names: Sequence[str] = tuple(FAULT_OPTIONS), at: st.SearchStrategy[Place] = places
) -> st.SearchStrategy[Fault]:
    """Any fault of these kinds; `at` are the places where those strike that strike at a place."""
    return st.sampled_from(names).flatmap(lambda name: fault(name, at))
