"""Every row of the catalogue of stream shapes that is a matter of the client, as bytes, with what this client makes of them.

`right` is the catalogue's word: `same` (the plain stream's completion), `error`, or `either`. Where it leaves a choice, the row
shows the one made (`client.reader` and its neighbours say why).
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any, Literal

import brotli
import msgspec
from msgspec import Struct

from client.completion import Choice, Completion, ToolCall
from client.errors import (
    ChatError,
    MalformedError,
    NotAStreamError,
    NotReachedError,
    RefusedError,
    ReportedError,
    StalledError,
    TooLargeError,
    TruncatedError,
)
from tests.client.bodies import DONE, HEL, HELLO, LO, ROLE, STOP, USAGE, USAGE_CHUNK, event, events
from tests.client.chunks import HEAD, call, chunk, text
from tests.client.wire import CLOSE, HOLD, LAST_CHUNK, RESET, Drip, Reply, chunk_of, head, streamed, whole

Right = Literal["same", "error", "either"]
TOOL = (ToolCall("t1", "f", '{"a":1}'),)


class Case(Struct, frozen=True):
    """One row: how it is sent, and what is to come of it.

    `error` is the kind expected, `says` a part of its message. `cut_anywhere`: what was kept is not known for sure (a reset
    destroys what has not been read), but it is a prefix of `content`. The other fields are of the completion, also of the one
    that an error carries. `body` is the stream alone where the way it is sent does not matter.
    """

    slug: str
    right: Right
    reply: Reply
    body: bytes | None = None
    error: type[ChatError] | None = None
    says: str = ""
    content: str = "Hello"
    finish_reason: str | None = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    usage: dict[str, int] | None = None
    cut_anywhere: bool = False
    more: dict[str, Any] = {}
    request: dict[str, Any] = {}

    def check(self, completion: Completion) -> None:
        """Whether a completion is the one expected."""
        first = completion.first
        if self.cut_anywhere:
            assert self.content.startswith(first.content)
            return
        told = (first.content, first.finish_reason, first.tool_calls, completion.usage)
        assert told == (self.content, self.finish_reason, self.tool_calls, self.usage)
        for name, value in self.more.items():
            assert getattr(completion, name) == value


def same(slug: str, body: bytes, **expected: Any) -> Case:
    """A body that means something."""
    return Case(slug, "same", streamed(body), body, **expected)


def either(slug: str, body: bytes, **expected: Any) -> Case:
    """A body of which more than one thing may be made."""
    return Case(slug, "either", streamed(body), body, **expected)


def bad(
    slug: str,
    body: bytes,
    error: type[ChatError],
    says: str = "",
    content: str = "Hel",
    finish_reason: str | None = None,
    **expected: Any,
) -> Case:
    """A body that must be refused, with what it leaves behind."""
    return Case(slug, "error", streamed(body), body, error, says, content, finish_reason, **expected)


def sent(slug: str, right: Right, *replies: Reply, **expected: Any) -> Case:
    """A way of sending."""
    return Case(slug, right, replies[0], **expected)


def json(value: object) -> bytes:
    return msgspec.json.encode(value)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def called(*chunks: dict[str, Any], finish: str = "tool_calls") -> bytes:
    return events(ROLE, *chunks, chunk(finish=finish)) + DONE


def patched(**changes: Any) -> bytes:
    """The plain stream with keys of every chunk changed."""
    return events(*({**each, **changes} for each in (ROLE, HEL, LO, STOP))) + DONE


def with_choice(**changes: Any) -> bytes:
    """The plain stream with keys of every choice changed; None takes a key away."""
    chunks = []
    for each in (ROLE, HEL, LO, STOP):
        choice = {**each["choices"][0], **changes}
        chunks.append({**each, "choices": [{key: value for key, value in choice.items() if value is not None}]})
    return events(*chunks) + DONE


BOM = b"\xef\xbb\xbf"
LONG = "x" * 70_000
HUGE = "y" * (1 << 20)
WHOLE = {
    **HEAD,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}
STARTED = events(ROLE, HEL)
FINISHED = events(ROLE, HEL, LO, STOP)
PING = b": ping\n\n"
CALL: dict[str, Any] = {"finish_reason": "tool_calls", "content": "", "tool_calls": TOOL}
PIECES = (
    call(index=0, id="t1", type="function", name="f", arguments=""),
    call(index=0, arguments='{"a"'),
    call(index=0, arguments=":1}"),
)
ERROR = {"message": "boom", "type": "server_error", "code": None}

FRAMING = [
    same("many-events-one-packet", HELLO),
    same("sse-crlf", HELLO.replace(b"\n", b"\r\n")),
    same("sse-cr-only", HELLO.replace(b"\n", b"\r")),
    same("sse-no-space", HELLO.replace(b"data: ", b"data:")),
    same("sse-extra-space", HELLO.replace(b"data: ", b"data:  ")),
    same("sse-comment", HELLO.replace(b"\n\n", b"\n\n: OPENROUTER PROCESSING\n\n")),
    same("sse-comment-first", PING * 50 + HELLO),
    same("sse-comment-flood", STARTED + (PING + b"\n") * 500 + events(LO, STOP) + DONE),
    same("sse-comment-after-id", (b"id: 1\n" + HELLO).replace(b"\n\n", b"\n\n: ping\n\n")),
    same("sse-retry-only", b"retry: 3000\n\nid: 5\n\nevent: x\n\n" + HELLO),
    same(
        "sse-event-keepalive", STARTED + b'event: keepalive\ndata: {"type":"keepalive"}\n\n' + events(LO, STOP) + DONE
    ),
    same("sse-multiline-data", HELLO.replace(b',"choices"', b',\ndata: "choices"')),
    same("sse-bom", BOM + HELLO),
    same("sse-event-field", HELLO.replace(b"data: ", b"event: message\ndata: ")),
    same("sse-id-field", HELLO.replace(b"data: ", b"id: 7\ndata: ")),
    same("sse-unknown-field", HELLO.replace(b"data: ", b"foo: bar\ndata: ")),
    same("sse-extra-blank-lines", b"\n\n\n" + HELLO.replace(b"\n\n", b"\n\n\n\n")),
    same("sse-no-final-lf-done", FINISHED + b"data: [DONE]"),
    same("json-raw-u2028", events(ROLE, text("a\u2028b\u2029c\x85"), STOP) + DONE, content="a\u2028b\u2029c\x85"),
    same(
        "json-u-escapes",
        event(b'{"choices":[{"index":0,"delta":{"content":"\\u90a3\\ud83d\\ude00"},"finish_reason":"stop"}]}') + DONE,
        content="那😀",
    ),
    same("json-unknown-keys", patched(x={"y": [1]}), more={"extra": {"x": {"y": [1]}}}),
    same("obfuscation-field", patched(obfuscation="r4N7vQ2m"), more={"extra": {}}),
    same("event-64k", events(ROLE, text(LONG), STOP) + DONE, content=LONG),
    same("event-1m", events(ROLE, text(HUGE * 4), STOP) + DONE, content=HUGE * 4),
    same(
        "usage-null",
        events(*({**each, "usage": None} for each in (ROLE, HEL, LO, STOP)), USAGE_CHUNK) + DONE,
        usage=USAGE,
    ),
    either("sse-named-custom-event", STARTED + b'event: tool.progress\ndata: {"pct":5}\n\n' + events(LO, STOP) + DONE),
    either("sse-named-chunks", HELLO.replace(b"data: ", b"event: completion\ndata: ")),
    either("event-ping", STARTED + b"event: ping\ndata: still here\n\n" + events(LO, STOP) + DONE),
]

SHAPES = [
    same("role-first-empty", HELLO),
    same(
        "content-null-with-tools",
        called(
            chunk(
                {
                    "content": None,
                    "tool_calls": [{"index": 0, "id": "t1", "function": {"name": "f", "arguments": '{"a":1}'}}],
                }
            )
        ),
        **CALL,
    ),
    same(
        "content-empty-with-tools",
        called(
            chunk(
                {
                    "content": "",
                    "tool_calls": [{"index": 0, "id": "t1", "function": {"name": "f", "arguments": '{"a":1}'}}],
                }
            )
        ),
        **CALL,
    ),
    same("delta-empty", events(ROLE, chunk(), HEL, text(""), LO, chunk(), STOP) + DONE),
    same("finish-chunk-empty-delta", HELLO),
    same("usage-chunk-empty-choices", events(ROLE, HEL, LO, STOP, USAGE_CHUNK) + DONE, usage=USAGE),
    same(
        "finish-content-filter",
        events(ROLE, HEL, LO, chunk(finish="content_filter")) + DONE,
        finish_reason="content_filter",
    ),
    same("finish-length", events(ROLE, HEL, LO, chunk(finish="length")) + DONE, finish_reason="length"),
    same(
        "n-interleaved",
        events(text("B", index=1), text("Hello", index=0), text("b", "stop", index=1), chunk(finish="stop")) + DONE,
        request={"n": 2},
        more={
            "choices": (Choice(0, content="Hello", finish_reason="stop"), Choice(1, content="Bb", finish_reason="stop"))
        },
    ),
    same("tool-fragments", called(*PIECES), **CALL),
    same(
        "tool-parallel-sequential",
        called(*PIECES, call(index=1, id="t2", name="g", arguments=""), call(index=1, arguments="{}")),
        content="",
        finish_reason="tool_calls",
        tool_calls=(*TOOL, ToolCall("t2", "g", "{}")),
    ),
    same(
        "tool-parallel-interleaved",
        called(PIECES[0], call(index=1, id="t2", name="g", arguments="{"), *PIECES[1:], call(index=1, arguments="}")),
        content="",
        finish_reason="tool_calls",
        tool_calls=(*TOOL, ToolCall("t2", "g", "{}")),
    ),
    same(
        "tool-several-in-one-delta",
        called(
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "t1", "function": {"name": "f", "arguments": '{"a":1}'}},
                        {"index": 1, "id": "t2", "function": {"name": "g", "arguments": "{}"}},
                    ]
                }
            )
        ),
        content="",
        finish_reason="tool_calls",
        tool_calls=(*TOOL, ToolCall("t2", "g", "{}")),
    ),
    same(
        "tool-args-empty",
        called(PIECES[0]),
        finish_reason="tool_calls",
        content="",
        tool_calls=(ToolCall("t1", "f", ""),),
    ),
    same("tool-text-then-call", called(text("Hello"), *PIECES), finish_reason="tool_calls", tool_calls=TOOL),
    same(
        "function-call-legacy",
        called(chunk({"function_call": {"name": "f", "arguments": "{}"}}), finish="function_call"),
        content="",
        finish_reason="function_call",
    ),
    same(
        "audio-delta",
        events(chunk({"audio": {"id": "a", "transcript": "Hello"}}), chunk({"audio": {"expires_at": 9}})) + DONE,
        content="",
        finish_reason=None,
    ),
    same("service-tier-unknown", patched(service_tier="on_demand"), more={"service_tier": "on_demand"}),
    same(
        "custom-tool-call",
        called(
            chunk({"tool_calls": [{"index": 0, "id": "t1", "type": "custom", "custom": {"name": "c", "input": "x y"}}]})
        ),
        content="",
        finish_reason="tool_calls",
        tool_calls=(ToolCall("t1", "c", "x y", "custom"),),
    ),
    same("zero-tokens", events(ROLE, STOP) + DONE, content=""),
    same("refusal-delta", events(ROLE, chunk({"refusal": "No"}), STOP) + DONE, content="", more={"refusal": "No"}),
    same("logprobs-delta", with_choice(logprobs={"content": [{"token": "x", "bytes": [226]}], "refusal": None})),
    same(
        "moderation-chunk",
        events(ROLE, HEL, LO, STOP, {**HEAD, "choices": [], "moderation": {"input": {}}}) + DONE,
        more={"extra": {"moderation": {"input": {}}}},
    ),
    same(
        "fingerprint-changes",
        events(
            *(
                {**each, "system_fingerprint": fp}
                for each, fp in zip((ROLE, HEL, LO, STOP), (None, "a", "b", "c"), strict=True)
            )
        )
        + DONE,
    ),
    either(
        "tool-args-invalid-json",
        called(call(index=0, id="t1", name="f", arguments='{"a"')),
        error=MalformedError,
        content="",
        finish_reason="tool_calls",
        tool_calls=(ToolCall("t1", "f", '{"a"'),),
    ),
]

DIALECTS = [
    same(
        "azure-first-chunk",
        events({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{}]})
        + HELLO,
    ),
    same(
        "azure-async-filter",
        FINISHED
        + events(
            {
                "id": "",
                "model": "",
                "choices": [
                    {"index": 0, "finish_reason": None, "content_filter_results": {}, "content_filter_offsets": {}}
                ],
            }
        )
        + DONE,
    ),
    same(
        "azure-filter-late",
        events(ROLE, HEL, LO, chunk(finish="content_filter")) + DONE,
        finish_reason="content_filter",
    ),
    same(
        "delta-null",
        events(ROLE, HEL, LO, {**HEAD, "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}) + DONE,
    ),
    same("delta-missing", events(ROLE, HEL, LO, {**HEAD, "choices": [{"index": 0, "finish_reason": "stop"}]}) + DONE),
    same("choices-empty-midstream", STARTED + events({**HEAD, "choices": []}, LO, STOP) + DONE),
    same("done-missing-finish-seen", FINISHED),
    same("done-as-chunk", HELLO),
    same("events-after-done", HELLO + events(text("XX")) + DONE),
    same(
        "finish-empty-string",
        events(
            *(
                {
                    **each,
                    "choices": [{**each["choices"][0], "finish_reason": each["choices"][0]["finish_reason"] or ""}],
                }
                for each in (ROLE, HEL, LO, STOP)
            )
        )
        + DONE,
    ),
    same("finish-with-content", events(ROLE, HEL, text("lo", "stop")) + DONE),
    same("finish-stop-with-tools", called(*PIECES, finish="stop"), content="", tool_calls=TOOL),
    same(
        "tool-index-starts-at-1",
        called(call(index=1, id="t1", name="f", arguments='{"a"'), call(index=1, arguments=":1}")),
        **CALL,
    ),
    same(
        "tool-id-repeated",
        called(call(index=0, id="t1", name="f", arguments='{"a"'), call(index=0, id="t1", name="f", arguments=":1}")),
        **CALL,
    ),
    same(
        "tool-name-late",
        called(call(index=0, id="t1", arguments='{"a"'), call(index=0, name="f", arguments=":1}")),
        **CALL,
    ),
    same("tool-type-late-or-missing", called(call(index=0, id="t1", name="f", arguments='{"a":1}')), **CALL),
    same("tool-name-empty-pieces", called(PIECES[0], call(index=0, name="", arguments='{"a":1}')), **CALL),
    same(
        "tool-args-null-first",
        called(call(index=0, id="t1", name="f", arguments=None), call(index=0, arguments='{"a":1}')),
        **CALL,
    ),
    same(
        "tool-calls-empty-array",
        events(
            *(
                chunk({**each["choices"][0]["delta"], "tool_calls": []}, each["choices"][0]["finish_reason"])
                for each in (ROLE, HEL, LO, STOP)
            )
        )
        + DONE,
    ),
    same(
        "tool-extra-content",
        called(
            call(index=0, id="t1", name="f", arguments='{"a":1}', extra_content={"google": {"thought_signature": "s"}})
        ),
        content="",
        finish_reason="tool_calls",
        tool_calls=(
            ToolCall("t1", "f", '{"a":1}', "function", {"extra_content": {"google": {"thought_signature": "s"}}}),
        ),
    ),
    same("tool-whole-in-one-chunk", called(call(index=0, id="t1", name="f", arguments='{"a":1}')), **CALL),
    same("reasoning-content", events(chunk({"reasoning_content": "hm"})) + HELLO, more={"reasoning": "hm"}),
    same(
        "reasoning-field", events(chunk({"reasoning": "hm", "reasoning_details": []})) + HELLO, more={"reasoning": "hm"}
    ),
    same("id-empty", patched(id="")),
    same("id-changes", events(*({**each, "id": f"c{k}"} for k, each in enumerate((ROLE, HEL, LO, STOP)))) + DONE),
    same("created-float-or-zero", patched(created=1.5)),
    same(
        "role-empty-or-null",
        events(chunk({"role": "", "content": None}), chunk({"role": None})) + events(HEL, LO, STOP) + DONE,
    ),
    same("role-missing", events(HEL, LO, STOP) + DONE),
    same(
        "role-repeated",
        events(
            *(
                chunk({**each["choices"][0]["delta"], "role": "assistant"}, each["choices"][0]["finish_reason"])
                for each in (ROLE, HEL, LO, STOP)
            )
        )
        + DONE,
    ),
    same(
        "usage-every-chunk",
        events(*({**each, "usage": {**USAGE, "completion_tokens": k}} for k, each in enumerate((ROLE, HEL, LO, STOP))))
        + DONE,
        usage={**USAGE, "completion_tokens": 3},
    ),
    same("usage-with-finish", events(ROLE, HEL, LO, {**STOP, "usage": USAGE}) + DONE, usage=USAGE),
    same(
        "usage-then-empty-chunk",
        FINISHED + events(USAGE_CHUNK, {**HEAD, "choices": [], "usage": None}) + DONE,
        usage=USAGE,
    ),
    same("usage-unasked", FINISHED + events(USAGE_CHUNK) + DONE, usage=USAGE),
    same("usage-empty-object", patched(usage={})),
    same(
        "citations-keys",
        patched(citations=["u"], x_groq={"id": "r"}, provider="p", timings={}),
        more={"extra": {"citations": ["u"], "x_groq": {"id": "r"}, "provider": "p", "timings": {}}},
    ),
    either("choices-null", STARTED + events({**HEAD, "choices": None}, LO, STOP) + DONE),
    either("choices-missing", FINISHED + events({**HEAD, "usage": USAGE}) + DONE, usage=USAGE),
    either("data-empty-object", STARTED + events({}, LO, STOP) + DONE),
    either("data-empty", STARTED + b"data:\n\ndata: \n\n" + events(LO, STOP) + DONE),
    either("data-comment-inside", STARTED + b"data: : keepalive\n\n" + events(LO, STOP) + DONE),
    either("done-only-no-finish", events(ROLE, HEL, LO) + DONE, finish_reason=None),
    either("finish-null-at-end", events(ROLE, HEL, LO, USAGE_CHUNK) + DONE, finish_reason=None, usage=USAGE),
    either("finish-unknown-value", events(ROLE, HEL, LO, chunk(finish="eos")) + DONE, finish_reason="eos"),
    either("tool-index-missing", called(call(id="t1", name="f", arguments='{"a"'), call(arguments=":1}")), **CALL),
    either(
        "tool-index-all-zero",
        called(call(index=0, id="t1", name="f", arguments='{"a":1}'), call(index=0, id="t2", name="g", arguments="{}")),
        content="",
        finish_reason="tool_calls",
        tool_calls=(*TOOL, ToolCall("t2", "g", "{}")),
    ),
    either("tool-index-minus-one", called(call(index=-1, id="t1", name="f", arguments='{"a":1}')), **CALL),
    either(
        "tool-id-changes",
        called(call(index=0, id="t1", name="f", arguments='{"a"'), call(index=0, id="t9", arguments=":1}")),
        **CALL,
    ),
    either(
        "tool-id-missing",
        called(call(index=0, name="f", arguments='{"a":1}')),
        content="",
        finish_reason="tool_calls",
        tool_calls=(ToolCall("", "f", '{"a":1}'),),
    ),
    either("tool-args-object", called(call(index=0, id="t1", name="f", arguments={"a": 1})), **CALL),
    either(
        "think-tags-in-content", events(text("<thi"), text("nk>a</think>"), STOP) + DONE, content="<think>a</think>"
    ),
    either("content-array", events(chunk({"content": [{"type": "text", "text": "Hello"}]}), STOP) + DONE),
    either("delta-cumulative", events(text("He"), text("Hello"), STOP) + DONE, content="HeHello"),
    either("message-instead-of-delta", event(WHOLE) + DONE),
    bad("done-suffix", STARTED + b"data: [DONE]xyz\n\n", MalformedError, "[DONE]xyz"),
    bad("done-suffix-line", STARTED + b"data: [DONE]\ndata: xyz\n\n", MalformedError, "[DONE]"),
    bad(
        "tool-args-resent",
        called(*PIECES, call(index=0, arguments='{"a":1}')),
        MalformedError,
        "JSON as the arguments",
        content="",
        finish_reason="tool_calls",
        tool_calls=(ToolCall("t1", "f", '{"a":1}{"a":1}'),),
    ),
    bad(
        "json-nan",
        STARTED + b'data: {"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"x":NaN}}]}\n\n',
        MalformedError,
        "NaN",
    ),
]

FAULTS = [
    bad("cut-clean-no-finish", STARTED, TruncatedError, "finish reason"),
    bad("cut-inside-json", STARTED + b'data: {"choices":[{"ind', TruncatedError, "unfinished event"),
    bad(
        "truncated-tool-args",
        events(ROLE, PIECES[0], PIECES[1]),
        TruncatedError,
        content="",
        tool_calls=(ToolCall("t1", "f", '{"a"'),),
    ),
    bad("json-malformed", STARTED + b'data: {"choices":[{]}\n\n' + events(LO, STOP) + DONE, MalformedError, "JSON"),
    bad("data-no-object", STARTED + b"data: 5\n\n" + DONE, MalformedError, "a chunk object"),
    bad("error-object", STARTED + event({"error": ERROR}) + DONE, ReportedError, "boom (server_error)"),
    bad(
        "error-object-with-choices",
        STARTED + event({**chunk({"content": ""}, "error"), "error": ERROR}) + DONE,
        ReportedError,
        "boom",
    ),
    bad("error-first-event", event({"error": ERROR}) + DONE, ReportedError, "boom", content=""),
    bad("error-event-name", STARTED + b'event: error\ndata: {"message":"boom"}\n\n' + DONE, ReportedError, "boom"),
    bad(
        "error-event-name-nested",
        STARTED + b'event: error\ndata: {"error":{"message":"boom"}}\n\n',
        ReportedError,
        "boom",
    ),
    bad("error-event-name-text", STARTED + b"event: error\ndata: boom\n\n", ReportedError, "boom"),
    bad("error-event-name-empty", STARTED + b"event: error\ndata:\n\n", ReportedError, "event named error"),
    bad("error-flat", STARTED + event({"object": "error", "message": "boom"}) + DONE, ReportedError, "boom"),
    bad(
        "error-flat-venice",
        STARTED + event({"error_type": "t", "error_message": "boom"}) + DONE,
        ReportedError,
        "boom (t)",
    ),
    bad("error-string", STARTED + event({"error": "boom"}) + DONE, ReportedError, "boom"),
    bad("error-unframed", STARTED + json({"error": ERROR}) + b"\n", ReportedError, "boom"),
    bad("error-unframed-done", STARTED + json({"error": ERROR}) + b"\n\n" + DONE, ReportedError, "boom"),
    bad("error-unframed-first", json({"error": ERROR}) + b"\n", ReportedError, "boom", content=""),
    bad("error-unframed-no-line-end", json({"error": ERROR}), ReportedError, "boom", content=""),
    bad(
        "error-unframed-pretty", b'{\n  "error": {\n    "message": "boom"\n  }\n}\n', ReportedError, "boom", content=""
    ),
    bad("error-plain-text", STARTED + b"data: Number of choices must be 1\n\n", ReportedError, "Number of choices"),
    bad("error-plain-text-line", STARTED + b"upstream connect error: reset\n", ReportedError, "upstream connect error"),
    bad(
        "error-plain-text-line-done",
        STARTED + b"upstream connect error: reset\n\n" + DONE,
        ReportedError,
        "upstream connect error",
    ),
    bad("error-plain-text-no-line-end", STARTED + b"upstream connect error", ReportedError, "upstream connect error"),
    bad("error-then-done-missing", STARTED + event({"error": ERROR}), ReportedError, "boom"),
    bad(
        "type-sse-body-json",
        json(WHOLE) + b"\n\n" + DONE,
        NotAStreamError,
        "server-sent events",
        content="Hello",
        finish_reason="stop",
    ),
    bad("type-sse-body-html", b"<!doctype html>\n<html>\n", NotAStreamError, "<html>", content=""),
    bad("empty-body", b"", TruncatedError, "a chunk with a choice", content=""),
    bad("empty-done-only", DONE, TruncatedError, "a chunk with a choice", content=""),
    bad("empty-comment-only", PING * 20, TruncatedError, "a chunk with a choice", content=""),
    bad("usage-only", event(USAGE_CHUNK) + DONE, TruncatedError, "a chunk with a choice", content="", usage=USAGE),
    bad(
        "n-cut",
        events(text("Hel", "stop"), text("x", index=1)),
        TruncatedError,
        "choice 1",
        finish_reason="stop",
        request={"n": 2},
    ),
    bad(
        "n-choice-never-came",
        events(text("Hel", "stop")),
        TruncatedError,
        "2 choices",
        finish_reason="stop",
        request={"n": 2},
    ),
    bad("line-unbounded", STARTED + b"data: " + b"x" * (17 << 20), TooLargeError, "max_line_bytes"),
    bad("event-unbounded", STARTED + (b"data: " + b"x" * 4090 + b"\n") * 4200, TooLargeError, "max_event_bytes"),
    same("utf8-partial-token", events(ROLE, text("Hel\ufffdlo"), STOP) + DONE, content="Hel\ufffdlo"),
    same("events-100k", STARTED + event(text("x")) * 100_000 + events(STOP) + DONE, content="Hel" + "x" * 100_000),
    either("eof-without-blank-line", FINISHED[:-1], error=TruncatedError, says="unfinished event", finish_reason=None),
    either("eof-inside-usage", FINISHED + event(USAGE_CHUNK)[:-9], error=TruncatedError, says="blank line"),
    either(
        "utf8-invalid",
        STARTED + b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n' + events(LO, STOP) + DONE,
        error=MalformedError,
        says="UTF-8",
        content="Hel",
        finish_reason=None,
    ),
    either("chunk-duplicated", events(ROLE, HEL, HEL, LO, STOP) + DONE, content="HelHello"),
    either("chunk-out-of-order", events(ROLE, LO, HEL, STOP) + DONE, content="loHel"),
]


def zipped(data: bytes) -> list[bytes]:
    """gzip, flushed after each event."""
    coder = zlib.compressobj(wbits=31)
    pieces = [coder.compress(part + b"\n\n") + coder.flush(zlib.Z_SYNC_FLUSH) for part in data.split(b"\n\n")[:-1]]
    return [*pieces, coder.flush()]


def bomb() -> bytes:
    """A few KiB that grow to 40 MiB of one line."""
    return gzip.compress(b"data: " + b"\0" * (40 << 20))


CODED = zipped(HELLO)
LENGTH = str(len(HELLO))
PLAIN_HEAD = head("200 OK", "text/event-stream", connection="close")
WIRE = [
    sent("chunk-boundary-anywhere", "same", streamed(*cut(HELLO, 1))),
    sent("chunk-splits-utf8", "same", streamed(*cut(events(text("那😀"), STOP) + DONE, 1)), content="那😀"),
    sent("chunk-splits-crlf", "same", streamed(*cut(HELLO.replace(b"\n", b"\r\n"), 1))),
    sent("sse-bom-split", "same", streamed(BOM[:1], BOM[1:2], BOM[2:] + HELLO)),
    sent("event-large-fragmented", "same", streamed(*cut(events(text(HUGE), STOP) + DONE, 64)), content=HUGE),
    sent("http-gzip", "same", streamed(*CODED, content_encoding="gzip")),
    sent("http-gzip-at-the-end", "same", streamed(gzip.compress(HELLO), content_encoding="gzip")),
    sent("http-br", "same", streamed(brotli.compress(HELLO), content_encoding="br")),
    sent("http-content-type-charset", "same", streamed(HELLO, content_type="text/event-stream; charset=utf-8")),
    sent("http-content-type-upper-case", "same", streamed(HELLO, content_type="TEXT/Event-Stream;charset=UTF-8")),
    sent("http-content-type-list", "same", streamed(HELLO, content_type="application/json, text/event-stream")),
    sent("http-content-type-missing", "either", streamed(HELLO, content_type=None)),
    sent("http-close-delimited", "same", Reply(PLAIN_HEAD + HELLO, CLOSE)),
    sent("http-1.0", "same", Reply(PLAIN_HEAD.replace(b"1.1", b"1.0") + HELLO, CLOSE)),
    sent("http-content-length", "same", whole(HELLO, content_type="text/event-stream")),
    sent("http-interim-103", "same", Reply(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", *streamed(HELLO).steps)),
    sent(
        "http-chunk-extensions-and-trailers",
        "same",
        Reply(
            head("200 OK", "text/event-stream", transfer_encoding="chunked"),
            b"%x;a=b\r\n%b\r\n" % (len(HELLO), HELLO),
            b"0\r\nx: y\r\n\r\n",
        ),
    ),
    sent(
        "http-201",
        "same",
        Reply(head("201 Created", "text/event-stream", transfer_encoding="chunked"), chunk_of(HELLO), LAST_CHUNK),
    ),
    sent("proxy-buffering", "same", streamed(HELLO)),
    sent(
        "cut-short-chunked",
        "error",
        streamed(STARTED, end=CLOSE),
        error=TruncatedError,
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "cut-short-chunked-close",
        "error",
        streamed(STARTED, end=CLOSE, connection="close"),
        error=TruncatedError,
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "cut-content-length",
        "error",
        Reply(head("200 OK", "text/event-stream", content_length=LENGTH) + STARTED, CLOSE),
        error=TruncatedError,
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "cut-content-length-after-done",
        "either",
        Reply(head("200 OK", "text/event-stream", content_length=str(len(HELLO) + 9)) + HELLO, CLOSE),
    ),
    sent("cut-after-finish", "either", streamed(FINISHED, end=CLOSE), error=TruncatedError),
    sent(
        "cut-rst",
        "error",
        streamed(STARTED, end=RESET),
        error=TruncatedError,
        cut_anywhere=True,
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "cut-rst-close",
        "error",
        streamed(STARTED, end=RESET, connection="close"),
        error=TruncatedError,
        cut_anywhere=True,
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "gzip-damaged",
        "error",
        streamed(CODED[0] + CODED[1], b"\xff" * 40, content_encoding="gzip"),
        error=MalformedError,
        says="coding",
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "gzip-bomb",
        "error",
        streamed(bomb(), content_encoding="gzip"),
        error=TooLargeError,
        content="",
        finish_reason=None,
    ),
    sent(
        "stall-after-chunk",
        "error",
        streamed(STARTED, end=HOLD),
        error=StalledError,
        says="another event within",
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "stall-before-headers",
        "error",
        Reply(HOLD),
        error=StalledError,
        says="a first token within",
        content="",
        finish_reason=None,
    ),
    sent(
        "stall-inside-headers",
        "error",
        Reply(Drip(b"HTTP/1.1 200 OK\r\nx: y", 0.01)),
        error=StalledError,
        says="a first token within",
        content="",
        finish_reason=None,
    ),
    sent(
        "stall-after-headers",
        "error",
        streamed(end=HOLD),
        error=StalledError,
        says="a first token within",
        content="",
        finish_reason=None,
    ),
    sent(
        "stall-with-comments",
        "error",
        Reply(*streamed(STARTED, end=HOLD).steps[:-1], Drip(chunk_of(PING), 0.01)),
        error=StalledError,
        says="another event within",
        content="Hel",
        finish_reason=None,
    ),
    sent(
        "stall-in-a-chunk-size",
        "error",
        Reply(*streamed(STARTED, end=HOLD).steps[:-1], Drip(b"0", 0.01)),
        error=StalledError,
        says="another event within",
        content="Hel",
        finish_reason=None,
    ),
    sent("finish-connection-open", "either", streamed(FINISHED, end=HOLD), error=StalledError),
    sent("done-connection-open", "same", streamed(HELLO, end=HOLD)),
    sent("body-json-instead", "error", whole(json(WHOLE)), error=NotAStreamError, says="application/json"),
    sent(
        "body-json-error-200",
        "error",
        whole(json({"error": ERROR})),
        error=ReportedError,
        says="boom",
        content="",
        finish_reason=None,
    ),
    sent(
        "body-html",
        "error",
        whole(b"<html>Sign in</html>", content_type="text/html"),
        error=NotAStreamError,
        says="check the base URL",
        content="",
        finish_reason=None,
    ),
    sent(
        "type-json-body-sse",
        "either",
        whole(HELLO),
        error=NotAStreamError,
        says="application/json",
        content="",
        finish_reason=None,
    ),
    sent("type-missing-body-json", "error", streamed(json(WHOLE), content_type=None), error=NotAStreamError),
    sent(
        "status-204",
        "error",
        Reply(b"HTTP/1.1 204 No Content\r\n\r\n"),
        error=TruncatedError,
        content="",
        finish_reason=None,
    ),
    sent(
        "status-400",
        "error",
        whole(json({"error": {"message": "bad model"}}), "400 Bad Request"),
        error=RefusedError,
        says="400: bad model",
        content="",
        finish_reason=None,
    ),
    sent(
        "status-429",
        "error",
        whole(json({"error": {"message": "slow down"}}), "429 Too Many Requests", retry_after="2"),
        error=RefusedError,
        says="429: slow down",
        content="",
        finish_reason=None,
    ),
    sent(
        "status-500-html",
        "error",
        whole(b"<html>oops", "500 Internal Server Error", "text/html"),
        error=RefusedError,
        says="500: '<html>oops'",
        content="",
        finish_reason=None,
    ),
    sent(
        "status-502-cut",
        "error",
        Reply(head("502 Bad Gateway", "text/plain", content_length="50") + b"oops", CLOSE),
        error=RefusedError,
        says="502: 'oops'",
        content="",
        finish_reason=None,
    ),
    sent(
        "redirect-307",
        "either",
        whole(b"", "307 Temporary Redirect", location="http://example.invalid/v1"),
        error=RefusedError,
        says="redirects are not followed",
        content="",
        finish_reason=None,
    ),
    sent(
        "redirect-301",
        "error",
        whole(b"", "301 Moved Permanently", location="/v2"),
        error=RefusedError,
        says="/v2",
        content="",
        finish_reason=None,
    ),
    sent(
        "close-on-accept",
        "error",
        Reply(CLOSE),
        error=NotReachedError,
        says="the head of an answer",
        content="",
        finish_reason=None,
    ),
    sent("reset-on-accept", "error", Reply(RESET), error=NotReachedError, content="", finish_reason=None),
    sent(
        "not-http",
        "error",
        Reply(b"220 smtp.example ESMTP\r\n", CLOSE),
        error=NotReachedError,
        content="",
        finish_reason=None,
    ),
]

CASES = [*FRAMING, *SHAPES, *DIALECTS, *FAULTS, *WIRE]
