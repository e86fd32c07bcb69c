"""The linter: what is legal has no finding, and of each of its rules there is something illegal that it finds."""

import gzip
import json
import re
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.lint import Finding, lint_steps, lint_text, parse_events
from mockserver.steps import End, Head, Hold, Step, Write
from tests.mockserver.plans import make_plan

COMMON = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def chunk(delta: Any = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk with one choice; `more` are members of the chunk in place of its own."""
    return {**COMMON, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason}], **more}


def text_of(*events: Any) -> str:
    """A stream of chunks and of other data, as OpenAI frames it."""
    return "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)


KEYS = ("choices", "index", "delta", "tool_calls", "content", "finish_reason", "usage", "error", "id", "object")

ROLE, HELLO, STOP, DONE = chunk({"role": "assistant"}), chunk({"content": "Hello"}), chunk(reason="stop"), "[DONE]"
PLAIN = (ROLE, HELLO, STOP, DONE)
BODY = text_of(*PLAIN).encode()


def message(body: bytes = BODY, head: bytes = HEAD, last: Step = End(0.0)) -> list[Step]:  # noqa: B008 - it is frozen
    """The steps of an answer with that body."""
    return [Head(0.0, head + b"\r\n"), Write(0.0, body), last]


def framed(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in chunks)


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"


def test_a_plan_as_openai_streams_it_has_no_finding() -> None:
    assert lint_steps(make_plan()) == []
    assert lint_steps(message()) == []


LEGAL: dict[str, list[Step]] = {
    "an interim response": message(head=b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD),
    "a length": message(head=HEAD + b"Content-Length: %d\r\n" % len(BODY)),
    "chunks with extensions and trailers": message(
        framed(BODY[:100], BODY[100:]).replace(b"64\r\n", b"64;a=1\r\n", 1) + b"0\r\nX: 1\r\n\r\n", CHUNKED
    ),
    "gzip": message(gzip.compress(BODY), HEAD + b"Content-Encoding: gzip\r\n"),
    "deflate": message(zlib.compress(BODY), HEAD + b"Content-Encoding: deflate\r\n"),
    "br": message(brotli.compress(BODY), HEAD + b"Content-Encoding: br\r\n"),
    "a byte order mark": message(b"\xef\xbb\xbf" + BODY),
    "line ends of all kinds": message(b"data: x\r\rdata: [DONE]\n\n".replace(b"data: x", BODY.rstrip(b"\n"), 1)[:-14]),
    "a content type in capitals": message(head=b"HTTP/1.1 200 OK\r\ncontent-type: TEXT/Event-Stream ; a=b\r\n"),
}


@pytest.mark.parametrize("steps", LEGAL.values(), ids=LEGAL.keys())
def test_what_http_and_the_event_stream_allow_has_no_finding(steps: list[Step]) -> None:
    assert lint_steps(steps) == []


MESSAGES: list[tuple[str, str, list[Step]]] = [
    # the rule, a part of what is said, the answer
    ("RFC 9112 2.1", "the head is not complete", [Head(0.0, HEAD), End(0.0)]),
    ("RFC 9112 4", "not a status line: 'HTTP/2 200'", message(head=b"HTTP/2 200\r\n")),
    ("RFC 9110 15", "none of an answer with content", message(head=b"HTTP/1.1 204 No Content\r\n")),
    ("RFC 9110 15", "none of an answer with content", message(head=b"HTTP/1.1 205 Reset Content\r\n")),
    ("RFC 9110 15", "none of an answer with content", message(head=b"HTTP/1.1 304 Not Modified\r\n")),
    ("RFC 9110 15", "none of an answer with content", message(head=b"HTTP/1.1 500 \r\n")),
    ("RFC 9112 8", "the answer does not end", message(last=Hold(0.0))),
    ("RFC 9112 8", "the answer does not end", []),
    ("RFC 9112 8", "Content-Length is 5", message(head=HEAD + b"Content-Length: 5\r\n")),
    ("RFC 9112 7.1", "not the size of a chunk: b'data: {", message(head=CHUNKED)),
    ("RFC 9112 7.1", "not the size of a chunk: b''", message(framed(BODY), CHUNKED)),
    ("RFC 9112 7.1", "the trailer section is not complete", message(framed(BODY) + b"0\r\nX: 1", CHUNKED)),
    ("RFC 9112 7.1", "the trailer section is not complete", message(framed(BODY) + b"0\r\nX: 1\r\n", CHUNKED)),
    ("RFC 9112 7.1", "the trailer section is not complete", message(framed(BODY) + b"0\r\n", CHUNKED)),
    ("RFC 9112 7.1", "the trailer section is not complete", message(framed(BODY) + b"0\r\n\r\nHTTP/1.1 ", CHUNKED)),
    ("RFC 9112 8", "Content-Length is many", message(head=HEAD + b"Content-Length: many\r\n")),
    ("RFC 9112 7.1", "shorter or longer", message(b"5\r\ndata: x\r\n0\r\n\r\n", CHUNKED)),
    ("RFC 9110 8.4", "the gzip coding is damaged", message(BODY, HEAD + b"Content-Encoding: gzip\r\n")),
    ("RFC 9110 8.4", "does not end where the body", message(gzip.compress(BODY)[:-9], HEAD + b"Content-Encoding: gzip\r\n")),
    ("RFC 9110 8.4", "does not end where", message(zlib.compress(BODY) + b"x", HEAD + b"Content-Encoding: deflate\r\n")),
    ("RFC 9110 8.4", "the br coding is damaged", message(BODY, HEAD + b"Content-Encoding: br\r\n")),
    ("WHATWG HTML 9.2.5", "not UTF-8 at byte 2", message(b": \xe9\n\n" + BODY)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said", "steps"), MESSAGES, ids=[f"{rule} {said}" for rule, said, _ in MESSAGES])
def test_what_breaks_the_message_is_one_finding_that_names_the_rule(rule: str, said: str, steps: list[Step]) -> None:
    [finding] = lint_steps(steps)
    assert finding.level == "broken"
    if steps:
        assert finding.rule == rule
        assert said in finding.message


def test_another_status_of_success_is_a_departure() -> None:
    [finding] = lint_steps(message(head=HEAD.replace(b"200 OK", b"201 Created")))
    assert str(finding) == "departure: the status is 201, not 200 (OpenAI)"


def test_another_content_type_is_a_departure() -> None:
    [finding] = lint_steps(message(head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"))
    assert (finding.level, finding.rule) == ("departure", "WHATWG HTML 9.2.2")
    [finding] = lint_steps(message(head=b"HTTP/1.1 200 OK\r\n"))
    assert "''" in finding.message


STREAMS: list[tuple[str, str, int | None, tuple[Any, ...]]] = [
    # the level, what is said, at which event, the events
    ("departure", "something comes after [DONE]", 4, (*PLAIN, HELLO)),
    ("departure", "the data is no JSON", 1, (ROLE, "", STOP, DONE)),
    ("broken", "the data is no JSON", 1, (ROLE, "{", STOP, DONE)),
    ("broken", "NaN is no JSON number", 1, (ROLE, '{"a": NaN}', STOP, DONE)),
    ("broken", "the data is no object", 1, (ROLE, "[]", STOP, DONE)),
    ("broken", "an error is told: {'message': 'x'}", 1, (ROLE, {"error": {"message": "x"}}, STOP, DONE)),
    ("broken", "an error is told: 'x'", 1, (ROLE, {"error_message": "x"}, STOP, DONE)),
    ("broken", "an error is told: 'x'", 1, (ROLE, {"detail": "x"}, STOP, DONE)),
    ("broken", "an error is told: 'x'", 1, (ROLE, {"object": "error", "message": "x"}, STOP, DONE)),
    *(
        ("departure", f"no {key}", 1, (ROLE, {k: v for k, v in HELLO.items() if k != key}, STOP, DONE))
        for key in COMMON
    ),
    *(("departure", f"{key} is 'other', was {COMMON[key]!r}", 1, (ROLE, {**HELLO, key: "other"}, STOP, DONE))
      for key in COMMON),
    ("departure", "choices is no list", 1, (ROLE, {**COMMON, "choices": None}, STOP, DONE)),
    ("departure", "choices is no list", 1, (ROLE, COMMON, STOP, DONE)),
    ("departure", "neither choices nor usage", 1, (ROLE, {**COMMON, "choices": []}, STOP, DONE)),
    ("departure", "a choice has no delta", 1, (ROLE, {**COMMON, "choices": [{"index": 0}]}, STOP, DONE)),
    ("departure", "the first delta has no role", 0, (HELLO, STOP, DONE)),
    ("departure", "choice 0 goes on after its finish reason", 3, (ROLE, HELLO, STOP, HELLO, DONE)),
    ("departure", "a tool call has no index", 1, (ROLE, chunk({"tool_calls": [{"id": "c"}]}), STOP, DONE)),
    ("departure", "a choice is no object", 1, (ROLE, {**COMMON, "choices": [1]}, STOP, DONE)),
    ("departure", "a tool call has no index", 1, (ROLE, chunk({"tool_calls": [1]}), STOP, DONE)),
    ("departure", "tool_calls is no list", 1, (ROLE, chunk({"tool_calls": 1}), STOP, DONE)),
    ("departure", "a choice has no index", 1, (ROLE, {**COMMON, "choices": [{"index": [], "delta": {}}]}, STOP, DONE)),
    ("departure", "content is no text", 1, (ROLE, chunk({"content": ["x"]}), STOP, DONE)),
    ("departure", "finish_reason 'eos' is not known", 1, (ROLE, chunk(reason="eos"), DONE)),
    ("broken", "no chunk with a choice came", None, (DONE,)),
    ("departure", "choice 0 has no finish reason", None, (ROLE, DONE)),
    ("departure", "no [DONE] at the end", None, (ROLE, STOP)),
]  # fmt: skip


@pytest.mark.parametrize(("level", "said", "event", "events"), STREAMS, ids=[said for _, said, _, _ in STREAMS])
def test_what_is_wrong_with_a_chunk_is_one_finding_at_its_event(
    level: str, said: str, event: int | None, events: tuple[Any, ...]
) -> None:
    [finding] = lint_text(text_of(*events))
    assert (finding.level, finding.event) == (level, event)
    assert said in finding.message


def test_a_cut_stream_has_neither_a_finish_reason_nor_done() -> None:
    said = [str(finding) for finding in lint_text(text_of(ROLE, HELLO))]
    assert said == ["broken: choice 0 has no finish reason (OpenAI)", "departure: no [DONE] at the end (OpenAI)"]


@pytest.mark.parametrize(("events", "level"), [((ROLE,), "broken"), ((ROLE, STOP), "departure")])
def test_an_event_without_its_blank_line_is_lost_and_how_bad_that_is_depends_on_what_came(
    events: tuple[Any, ...], level: str
) -> None:
    for rest in ("data: x\n", "data: x", "d"):
        findings = lint_text(text_of(*events) + rest)
        assert [finding.level for finding in findings if finding.rule == "WHATWG HTML 9.2.6"] == [level]


@pytest.mark.parametrize(("name", "level"), [("error", "broken"), ("ping", "departure")])
def test_an_event_of_another_name_is_told(name: str, level: str) -> None:
    named = f"event: {name}\ndata: {json.dumps(HELLO)}\n\n"
    [finding] = lint_text(text_of(ROLE) + named + text_of(STOP, DONE))
    assert (finding.level, finding.event) == (level, 1)
    assert repr(name) in finding.message


def test_a_finding_prints_where_it_is_what_and_by_whose_rule() -> None:
    assert (
        str(Finding("broken", "RFC 8259", "the data is no JSON", 3))
        == "broken: event 3: the data is no JSON (RFC 8259)"
    )


def test_every_rule_of_the_linter_is_seen_broken_here() -> None:
    """What the linter can say, it says in one of the tables above: a new rule needs its row."""
    from pathlib import Path

    import mockserver.lint

    files = Path(mockserver.lint.__file__).parent.glob("*.py")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    rules = set(re.findall(r'"(RFC [0-9. ]+|WHATWG [A-Z0-9. ]+)"', source))
    seen = {rule for rule, _, _ in MESSAGES} | {"WHATWG HTML 9.2.2", "WHATWG HTML 9.2.6", "RFC 8259"}
    assert rules == seen


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON | st.text(max_size=5), max_size=4))
def test_whatever_the_events_say_the_linter_does_not_fail(values: list[Any]) -> None:
    assert lint_text(text_of(*values)) != []


@given(
    st.lists(
        st.binary(max_size=9) | st.sampled_from([HEAD, CHUNKED, b"\r\n", BODY, b"0\r\n\r\n", b"5\r\n"]), max_size=5
    )
)
def test_whatever_the_bytes_are_the_linter_does_not_fail(parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert lint_steps([Head(0.0, body), End(0.0)]) != [] or BODY in body


def test_events_are_read_by_the_standard() -> None:
    text = ": c\nevent: e\ndata:a\ndata: b\nid: 1\nretry: 2\nfoo\n\nevent: lost\n\ndata\n\ndata: open\n"
    assert parse_events(text) == ([("e", "a\nb"), ("message", "")], True)
