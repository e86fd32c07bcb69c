"""Completion -> chunks as OpenAI sends them: the one place that knows the shape of a chunk.

A stream is, for every choice: a role delta, with content `""` or null; one delta for each token; and at the very end, after
the last token of all, an empty delta with the finish reason. Then, only with `stream_options.include_usage`, one chunk with
no choices and the usage, while all others say `usage: null`. Several choices take turns token by token; the role delta of each
stands right before its first token. A tool call starts with a delta of id, type, name and empty arguments; a message that is
nothing but one call carries that in its role delta.

Source: OpenAI's published schemas (CreateChatCompletionStreamResponse) and streams of the real API recorded in public from
2024 to 2025. It departs from its schema in custom tool calls, which have a shape of their own.
"""

from collections.abc import Iterable, Iterator
from hashlib import shake_256
from heapq import merge
from itertools import cycle, islice
from operator import itemgetter
from string import ascii_letters, digits
from typing import Any, Literal
from zlib import crc32

from msgspec import Struct
from msgspec.json import encode

from mockserver.completion import CompletedChoice, Completion
from mockserver.logprobs import token_logprob
from mockserver.request import ChatRequest
from mockserver.runs import Token

ChunkKind = Literal["role", "delta", "finish", "usage", "extra"]
"""What a chunk is for; faults and quirks find their place by it. `extra` is what a scenario inserted."""


class Chunk(Struct, frozen=True):
    """One `chat.completion.chunk` object, its due time in seconds, and what it is for."""

    data: dict[str, Any]
    due_s: float
    kind: ChunkKind


class Identity(Struct, frozen=True):
    """What all chunks of one answer share."""

    id: str
    created: int
    model: str
    seed: str
    system_fingerprint: str | None = "fp_50cad350e4"
    service_tier: str | None = "default"


class _Delta(Struct, frozen=True):
    """What one choice says at one moment: the delta object and the tokens in it."""

    body: dict[str, Any]
    tokens: tuple[Token, ...] = ()
    kind: ChunkKind = "delta"
    position: int = 0
    """How many tokens of the choice stand before."""


def make_chunks(
    completion: Completion, request: ChatRequest, identity: Identity, times: Iterable[float], group: Iterable[int] = ()
) -> Iterator[Chunk]:
    """The chunks of a stream, in order, each with its due time.

    `times` is the due time of token 0, 1, 2 …; `group` says how many tokens each chunk of a choice carries, in turn; what
    comes behind its end carries one each.
    A chunk is due when its last token is.
    """
    due = list(islice(times, max((len(choice.tokens) for choice in completion.choices), default=0) or 1))

    def chunks_of(choice: CompletedChoice) -> Iterator[tuple[int, Chunk]]:
        for delta in _grouped(_deltas(choice), group):
            last = delta.position + max(len(delta.tokens), 1) - 1
            yield last, Chunk(_chunk(delta, choice, request, identity), due[last], delta.kind)

    # Of two chunks with the same last token, that of the choice which is first in line comes first.
    for _, chunk in merge(*map(chunks_of, completion.choices), key=itemgetter(0)):
        yield chunk
    for choice in completion.choices:
        # Its own delta each time: a quirk may change what a chunk holds.
        yield Chunk(_chunk(_Delta({}, kind="finish"), choice, request, identity), due[-1], "finish")
    if request.include_usage:
        yield Chunk(_object(identity, request, [], completion.usage), due[-1], "usage")


def _chunk(delta: _Delta, choice: CompletedChoice, request: ChatRequest, identity: Identity) -> dict[str, Any]:
    said = {
        "index": choice.index,
        "delta": delta.body,
        "logprobs": _logprobs(delta, choice, request, f"{identity.seed}/{choice.index}") if request.logprobs else None,
        "finish_reason": choice.finish_reason if delta.kind == "finish" else None,
    }
    return _object(identity, request, [said], None)


def _object(
    identity: Identity, request: ChatRequest, choices: list[dict[str, Any]], usage: dict[str, Any] | None
) -> dict[str, Any]:
    chunk: dict[str, Any] = {
        "id": identity.id,
        "object": "chat.completion.chunk",
        "created": identity.created,
        "model": identity.model,
        "service_tier": identity.service_tier,
        "system_fingerprint": identity.system_fingerprint,
        "choices": choices,
    }
    if request.include_usage:
        chunk["usage"] = usage
    if request.include_obfuscation:
        chunk["obfuscation"] = ""  # filled in when the order of the chunks is known: see `obfuscate`
    return chunk


def _deltas(choice: CompletedChoice) -> Iterator[_Delta]:
    """What a choice says, one token at a time, up to its finish."""
    headers = list(_call_headers(choice))
    says_text = any(token.part in ("reasoning", "content", "refusal") for token in choice.tokens)
    role = _role_delta(choice)
    if len(headers) == 1 and not says_text:
        role |= {**headers.pop()[2], "refusal": None}
    yield _Delta(role, kind="role")
    for position, token in enumerate(choice.tokens):
        while headers and headers[0][0] == token.part and headers[0][1] <= token.call:
            yield _Delta(headers.pop(0)[2], position=position)
        yield _Delta(_token_delta(token, choice), (token,), position=position)
    for *_, header in headers:
        yield _Delta(header, position=max(len(choice.tokens) - 1, 0))


def _role_delta(choice: CompletedChoice) -> dict[str, Any]:
    """The first delta: it opens the content or the refusal; before several calls it says only that there is no content."""
    opened = opened_part(choice)
    said: dict[str, Any] = {"role": "assistant", "content": "" if opened == "content" else None}
    return said if opened is None else {**said, "refusal": "" if opened == "refusal" else None}


def opened_part(choice: CompletedChoice) -> Literal["content", "refusal"] | None:
    """Whether the message has a text, be it empty, or a refusal in its place, or neither, as beside calls alone."""
    parts = {token.part for token in choice.tokens}
    if "content" not in parts:
        if "refusal" in parts:
            return "refusal"
        if choice.calls or choice.function_name is not None:
            return None
    return "content"


def _call_headers(choice: CompletedChoice) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The deltas that start a call, each with the part and number of the tokens that it must precede."""
    if choice.function_name is not None:
        yield "function_call", 0, {"function_call": {"name": choice.function_name, "arguments": ""}}
    for k, call in enumerate(choice.calls):
        said = {"name": call.name, "arguments" if call.type == "function" else "input": ""}
        yield "tool_call", k, {"tool_calls": [{"index": k, "id": call.id, "type": call.type, call.type: said}]}


def _token_delta(token: Token, choice: CompletedChoice) -> dict[str, Any]:
    match token.part:
        case "tool_call":
            kind = choice.calls[token.call].type
            return {
                "tool_calls": [
                    {"index": token.call, kind: {"arguments" if kind == "function" else "input": token.text}}
                ]
            }
        case "function_call":
            return {"function_call": {"arguments": token.text}}
        case "reasoning":
            return {"reasoning_content": token.text}
        case part:
            return {part: token.text}


def _grouped(deltas: Iterator[_Delta], group: Iterable[int]) -> Iterator[_Delta]:
    """Put several tokens into one delta, as `group` says; only neighbours of the same part share one."""
    sizes = iter(group)
    waiting: _Delta | None = None
    size = next(sizes, 1)
    for delta in deltas:
        if waiting and (len(waiting.tokens) >= size or not _same_part(waiting, delta)):
            yield waiting
            waiting, size = None, next(sizes, 1)
        if delta.tokens:
            waiting = _joined(waiting, delta) if waiting else delta
        else:
            yield delta
    if waiting:
        yield waiting


def _same_part(one: _Delta, other: _Delta) -> bool:
    return bool(other.tokens) and (one.tokens[0].part, one.tokens[0].call) == (
        other.tokens[0].part,
        other.tokens[0].call,
    )


def _joined(one: _Delta, other: _Delta) -> _Delta:
    return _Delta(join_values(one.body, other.body), one.tokens + other.tokens, one.kind, one.position)


def join_values(one: Any, other: Any) -> Any:
    """Two deltas as one: texts are appended, objects and lists joined member by member, anything else is taken once."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{k: join_values(one[k], v) if k in one else v for k, v in other.items()}}
    if isinstance(one, list) and isinstance(other, list):
        return [join_values(a, b) for a, b in zip(one, other, strict=True)]
    return one + other if isinstance(one, str) and isinstance(other, str) else other


def _logprobs(delta: _Delta, choice: CompletedChoice, request: ChatRequest, seed: str) -> dict[str, Any] | None:
    """The log probabilities of a delta: lists for content and refusal, null where neither is said."""
    opened = opened_part(choice) if delta.kind == "role" else None
    return logprobs_of(delta.tokens, delta.position, request.top_logprobs, seed, opened)


def logprobs_of(
    tokens: Iterable[Token], position: int, top: int, seed: str, opened: Literal["content", "refusal"] | None = None
) -> dict[str, Any] | None:
    """The `logprobs` object of some tokens of a choice, the first of which stands at `position`.

    It is null where they say neither content nor refusal, unless that part is `opened`: then its list is empty.
    """
    found: dict[str, list[Any]] = {opened: []} if opened else {}
    for k, token in enumerate(tokens, position):
        if token.part in ("content", "refusal"):
            found.setdefault(token.part, []).append(token_logprob(token.text, k, top, seed))
    return {"content": found.get("content"), "refusal": found.get("refusal")} if found else None


_ALPHABET = (ascii_letters + digits).encode()
FILLER = shake_256(b"obfuscation").digest(4096).translate(bytes(_ALPHABET[k % len(_ALPHABET)] for k in range(256)))
"""The letters of all obfuscation: that of a chunk is a piece of it, which costs no dice."""

STEP = 16
_STRIDE, _ROOM = 17, 128


def filler_row(seed: str) -> tuple[range, int]:
    """Where in `FILLER` the letters of the chunks of a stream begin, and which of these places is that of its first chunk."""
    number = crc32(seed.encode("utf-8", "surrogatepass"))
    row = range(number % _STRIDE, len(FILLER) - _ROOM, _STRIDE)
    return row, number // _STRIDE % len(row)


def obfuscate(chunks: Iterable[Chunk], seed: str, step: int = STEP) -> Iterator[Chunk]:
    """Fill in `obfuscation`: letters, fewer than `step`, that even out the sizes of the chunks; `step` is 128 at most.

    Each chunk's JSON is as many characters long as a multiple of `step` and one more, as the real API's are.
    """
    row, begin = filler_row(seed)
    places = islice(cycle(row), begin, None)
    for chunk in chunks:
        if "obfuscation" in chunk.data:
            at = next(places)
            size = len(encode(chunk.data).decode())
            chunk.data["obfuscation"] = FILLER[at : at + (1 - size) % step].decode()
        yield chunk
