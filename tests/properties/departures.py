"""Event streams read by the standard's rules, or with some of them broken: the model that explains what libraries do.

A library is the standard and the set of its departures; it is held to exactly that. Each departure pins one stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tests.client.plain_sse import finished_lines

Read = tuple[tuple[str, str], ...] | Literal["refused"]
"""What a stream is read as: the name and data of each event. A stream may be refused instead."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One rule that a library breaks: what it does instead, whose rule it is, and a stream that shows it."""

    does: str
    rule: str
    stream: bytes


DEPARTURES = {
    "bom-kept": Departure(
        "takes the byte order mark for part of the first line, which it then does not know",
        "WHATWG HTML 9.2.6: the UTF-8 decode algorithm strips one leading byte order mark, if any",
        b"\xef\xbb\xbfdata: a\n\n",
    ),
    "without-data": Departure(
        "dispatches an event without data where event, id or retry was told, and the id is never forgotten",
        'WHATWG HTML 9.2.6: "If the data buffer is an empty string, set […] to the empty string and return"',
        b"retry: 1\n\n",
    ),
    "utf-8-refused": Departure(
        "refuses a stream in which a line is not UTF-8",
        "WHATWG HTML 9.2.6: streams are decoded by the UTF-8 decode algorithm, which replaces",
        b": \xff\n",
    ),
}
LIBRARIES = {
    "client": frozenset[str](),
    "httpx-sse": frozenset({"bom-kept", "without-data"}),
    "openai": frozenset({"bom-kept", "without-data", "utf-8-refused"}),
    "eventsource-parser": frozenset[str](),
}


def read_with(stream: bytes, departures: frozenset[str]) -> Read:
    """What a reader with these departures makes of a whole stream."""
    if "utf-8-refused" in departures and not _is_utf8(stream):
        return "refused"
    text = stream.decode("utf-8", "replace")
    if "bom-kept" not in departures:
        text = text.removeprefix("\ufeff")
    return tuple(_events(finished_lines(text), "without-data" in departures))


def _is_utf8(stream: bytes) -> bool:
    try:
        stream.decode()
    except UnicodeDecodeError:
        return False
    return True


def _events(lines: list[str], without_data: bool) -> Iterator[tuple[str, str]]:
    data, name, last_id, has_retry = list[str](), "", "", False
    for line in lines:
        if not line:
            if data or (without_data and (name or last_id or has_retry)):
                yield name or "message", "\n".join(data)
            data, name, has_retry = [], "", False
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "retry":
            has_retry = has_retry or _is_number(value)


def _is_number(value: str) -> bool:
    """Whether Python's int reads it, which reads more than ASCII digits."""
    try:
        int(value)
    except ValueError:
        return False
    return True


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream in pieces, none of them empty."""
    edges = [0, *sorted({place for place in cuts if 0 < place < len(stream)}), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges) if a < b]
