"""Reply + request + delivery -> what a right consumer must report: the oracle of every test.

A right consumer's outcome depends on the reply, never on the delivery; if the delivery is broken, it must say so. Outcomes
are computed here and never written by hand. They have the shape of the consumer protocol: content, tool_calls, refusal,
reasoning, finish_reason, usage, error; with several choices a list of such objects under `choices`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from mockserver.completion import CompletedChoice
from mockserver.faults.body import OtherBody
from mockserver.faults.told import ToldError
from mockserver.http import BODY_HEADERS
from mockserver.quirks import QUIRKS
from mockserver.quirks.quirk import Right
from mockserver.sse import Event
from mockserver.stream import Stream
from mockserver.strikes import find_strikes, read_events

FIELDS = ("content", "tool_calls", "refusal", "reasoning", "finish_reason")
"""The fields of a choice's outcome."""

_SEVERITY: dict[Right, int] = {"same": 0, "either": 1, "error": 2}
_LONG_TEXT = 400
"""What is longer, in characters, is not quoted as a whole."""

_COMPARED_EVENTS = 2_000
"""How many events are compared to learn whether a quirk or fault acts; in a longer stream all are taken to act."""


class _Any:
    """Stands for a value of which nothing is expected."""

    def __repr__(self) -> str:
        return "any"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY: Final = _Any()
"""A field that the delivery does not carry: whatever a consumer reports there is right."""

Outcome = Mapping[str, Any]
"""What a consumer made of a stream, or must make of it; fields of the latter may be `ANY`."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right consumer reports.

    `right` is `same` (the outcome, without an error), `error` (an error; text it kept is a prefix of the outcome's), or
    `either`. `because` says what of the delivery decides so. `readings` are the outcomes of which one must be told where no
    consumer can know the content: the reply's, or what the events say as they came (an event was dropped, doubled, swapped).
    `told`: the server itself says that the answer is not good, be it by an event, a status or a content type. `no_stream`: by
    its content type alone, for the body is none of a stream and tells no error.
    """

    right: Right
    outcome: Outcome
    because: tuple[str, ...] = ()
    readings: tuple[Outcome, ...] = ()
    told: bool = False
    no_stream: bool = False


def expect(stream: Stream) -> Expected:
    """The oracle: what a right consumer must report of a stream."""
    delivery = stream.delivery
    rights: list[tuple[Right, str]] = [("same", "")]
    hidden: set[str] = set()
    for quirk in _acting_quirks(stream):
        rights.append((QUIRKS[quirk].right, quirk))
        hidden |= set(QUIRKS[quirk].hides)
    for strike in find_strikes(stream):
        rights.append((strike.right, str(strike.fault.__struct_config__.tag)))
        hidden |= set(strike.hides)
    hidden |= set(delivery.hides)
    rights += [(insert.right, "an insertion") for insert in delivery.inserts]
    if delivery.raw is not None:
        rights.append((delivery.raw.right, "the raw stream"))
    if not delivery.framing.final_blank_line:
        rights.append((_right_of_open_end(stream, hidden), "the missing blank line"))
    rights += _rights_of_head(stream)
    if not stream.request.include_usage or (delivery.raw is not None and not _tells_usage(stream)):
        hidden.add("usage")
    right: Right = max((right for right, _ in rights), key=_SEVERITY.__getitem__)
    right = delivery.right or right
    because = tuple(name for own, name in rights if name and own == right != "same")
    readings = tuple(_read_both_ways(stream, hidden)) if "content" in hidden else ()
    return Expected(right, make_outcome(stream, hidden), because, readings, _is_told(stream), _is_no_stream(stream))


def _rights_of_head(stream: Stream) -> Iterator[tuple[Right, str]]:
    """The verdicts on the status, and on headers of the scenario's own that say how the body is to be read."""
    http = stream.delivery.http
    if http.status == 205:  # RFC 9110 15.3.6: "a server MUST NOT generate content"; who reads it all the same has it
        yield "either", "status 205"
    if _is_refused(stream):
        yield "error", f"status {http.status}"
    # Whether they lie, and whether a consumer can do without them, is between the body and the consumer's HTTP library.
    yield from (("either", f"the header {name}") for name in http.headers if name.lower() in BODY_HEADERS)


def _right_of_open_end(stream: Stream, hidden: set[str]) -> Right:
    """The verdict where the last event is not ended by a blank line.

    WHATWG HTML 9.2.6: "If the file ends in the middle of an event, before the final empty line, the incomplete event is not
    dispatched"; many consumers do dispatch it, others report the loss. Where it is `[DONE]`, nothing is lost.
    """
    last = ""
    for event in replace(stream, faults=()).events():
        last = event.kind
    if last == "usage":
        hidden.add("usage")
    return "same" if last == "done" else "either"


def _tells_usage(stream: Stream) -> bool:
    """Whether a stream given raw has a usage; it need not be what the request asked for."""
    body = b"".join(piece.data for piece in replace(stream, faults=()).body())
    return re.search(rb'"usage"\s*:\s*\{', body) is not None


def _is_refused(stream: Stream) -> bool:
    """Whether the status is no success, or one that has no content (RFC 9110 15.3.5)."""
    status = stream.delivery.http.status
    return status is not None and (status == 204 or not 200 <= status < 300)


def _is_told(stream: Stream) -> bool:
    """Whether the server says that the answer is not good. What is not framed as an event, an event-stream parser drops."""
    return (_is_refused(stream) and stream.delivery.http.status != 204) or any(
        (isinstance(fault, ToldError) and fault.is_framed)
        or (isinstance(fault, OtherBody) and "event-stream" not in (fault.content_type or ""))
        for fault in stream.faults
    )


def _is_no_stream(stream: Stream) -> bool:
    """Whether the body is neither a stream nor an error, and its type says so; a status that refuses is an error."""
    return not _is_refused(stream) and any(
        isinstance(fault, OtherBody) and not fault.tells_error() and "event-stream" not in (fault.content_type or "")
        for fault in stream.faults
    )


def make_outcome(stream: Stream, hidden: Iterable[str] = ()) -> dict[str, Any]:
    """The outcome of a stream that is wholly understood; hidden fields are `ANY`."""
    hides = set(hidden)
    choices = [_choice_outcome(choice, hides) for choice in stream.completion.choices]
    usage = {key: stream.completion.usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
    shared = {"usage": ANY if "usage" in hides else usage, "error": None}
    return _join_choices(choices, shared)


def _join_choices(choices: list[dict[str, Any]], shared: dict[str, Any]) -> dict[str, Any]:
    return {**choices[0], **shared} if len(choices) == 1 else {"choices": choices, **shared}


def _choice_outcome(choice: CompletedChoice, hides: set[str]) -> dict[str, Any]:
    calls = [
        {
            "id": ANY if "tool_ids" in hides else call.id,
            "type": call.type,
            "name": call.name,
            ("arguments" if call.type == "function" else "input"): call.text,
        }
        for call in choice.calls
    ]
    if choice.function_name is not None:
        calls = [{"id": ANY, "type": "function", "name": choice.function_name,
                  "arguments": choice.text("function_call") or ""}]  # fmt: skip
    outcome = {
        "content": choice.text("content"),
        "tool_calls": calls,
        "refusal": choice.text("refusal"),
        "reasoning": choice.text("reasoning"),
        "finish_reason": choice.finish_reason,
    }
    return {field: ANY if field in hides else value for field, value in outcome.items()}


def _acting_quirks(stream: Stream) -> Iterator[str]:
    """The quirks without which the events would be others."""
    quirks = stream.delivery.quirks
    for quirk in quirks:
        if QUIRKS[quirk].right == "same" and not QUIRKS[quirk].hides:
            continue
        others = tuple(other for other in quirks if other != quirk)
        bare = replace(stream, delivery=replace(stream.delivery, quirks=others), faults=())
        if _differ(replace(stream, faults=()).events(), bare.events()):
            yield quirk


def _differ(one: Iterable[Event], other: Iterable[Event]) -> bool:
    first, second = (list(islice(events, _COMPARED_EVENTS)) for events in (one, other))
    return first != second or len(first) == _COMPARED_EVENTS


def _read_both_ways(stream: Stream, hidden: set[str]) -> Iterator[Outcome]:
    """The outcome with the reply's content, and with that which the events say: to all readers, and to those that trim."""
    meant = make_outcome(stream, hidden - {"content"})
    yield meant
    choices, shared = meant.get("choices", [meant]), {key: meant[key] for key in ("usage", "error")}
    to_all, to_some = (_read_texts(stream, trims) for trims in (False, True))
    for texts in (to_all,) if to_all == to_some else (to_all, to_some):
        yield _join_choices([{**c, "content": t} for c, t in zip(choices, texts, strict=False)], shared)


def _read_texts(stream: Stream, trims: bool) -> list[str]:
    """The text of each choice that comes, as the events of a stream say it by OpenAI's rule: deltas are appended."""
    said = ["" for _ in stream.completion.choices]
    came = 1
    for event in read_events(stream.events(), trims):
        try:
            # WHATWG HTML 9.2.6: "Streams must be decoded using the UTF-8 decode algorithm", which replaces what is none.
            chunk = msgspec.json.decode(event.data.decode("utf-8", "replace"))
            for choice in chunk["choices"]:
                index, delta = choice["index"], choice["delta"]
                if isinstance(delta, dict) and index in range(len(said)):
                    said[index] += delta.get("content") or ""
                    came = max(came, index + 1)
        except (msgspec.DecodeError, LookupError, TypeError):
            continue
    return said[:came]


def compare(expected: Any, got: Any, place: str = "") -> Iterator[str]:
    """The differences between an expected outcome and one that was reported, each in words; none if they agree.

    Text that is absent, null or empty is all the same, and so are no tool calls. Numbers of usage that the expectation does
    not name are not compared.
    """
    if expected is ANY or (not expected and not got):
        return
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key, value in expected.items():
            yield from compare(value, got.get(key), f"{place}.{key}" if place else key)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for k, (a, b) in enumerate(zip(expected, got, strict=True)):
            yield from compare(a, b, f"{place}[{k}]")
    elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
        yield f"{place}: {_contrast(expected, got)}"


def _contrast(expected: Any, got: Any) -> str:
    """What was expected and what came; of long texts where they part."""
    if not (isinstance(expected, str) and isinstance(got, str) and max(len(expected), len(got)) > _LONG_TEXT):
        return f"expected {expected!r}, got {got!r}"
    at = next((k for k, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), min(len(expected), len(got)))
    near = slice(max(at - 20, 0), at + 40)
    return f"from character {at} on: expected {expected[near]!r} of {len(expected)}, got {got[near]!r} of {len(got)}"
