"""The meaning of an answer: for each choice the text, tool calls, refusal, reasoning and finish reason; the usage.

A `Reply` is what a scenario says; `complete` turns it into the `Completion` that one request gets: cut by `n`, `stop` and the
token limit, every part cut into tokens, every token counted. How a completion is sent is no matter of this module.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from mockserver.request import ChatRequest
from mockserver.shorthand import Text, plain
from mockserver.tokens import Tokenizer, count_prompt_tokens

Part = Literal["reasoning", "content", "refusal", "tool_call", "function_call"]
"""What a token belongs to."""


class ToolCall(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A call of a tool. `arguments` may be written as an object: it is sent as compact JSON."""

    name: Annotated[str, Meta(description="The name of the tool.")]
    arguments: Annotated[str | dict[str, Any], Meta(description="A JSON text, or an object to be sent as one.")] = ""
    id: Annotated[str | None, Meta(description="Default: made from the seed, such as call_…")] = None
    type: Annotated[
        Literal["function", "custom"], Meta(description="A function with arguments, or a custom tool with input.")
    ] = "function"
    input: Annotated[str | None, Meta(description="The input of a custom tool.")] = None
    pieces: Annotated[
        tuple[Text, ...] | None, Meta(description="Tokens of the arguments; joined they are the arguments.")
    ] = None

    def __post_init__(self) -> None:
        said, unsaid = ("input", "arguments") if self.type == "custom" else ("arguments", "input")
        if getattr(self, unsaid):
            raise ValueError(f"a {self.type} tool call has {said}, not {unsaid}, got {getattr(self, unsaid)!r}")
        if self.pieces is not None:
            force_setattr(self, said, _join(self.pieces, self.text or None, said))
        _check_characters(name=self.name, id=self.id, text=self.text)

    @property
    def text(self) -> str:
        """What is streamed piece by piece: the arguments as JSON text, or a custom tool's input."""
        return (self.input or "") if self.type == "custom" else as_json_text(self.arguments)


class FunctionCall(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The deprecated predecessor of a tool call."""

    name: Annotated[str, Meta(description="The name of the function.")]
    arguments: Annotated[str | dict[str, Any], Meta(description="A JSON text, or an object to be sent as one.")] = ""
    pieces: Annotated[
        tuple[Text, ...] | None, Meta(description="Tokens of the arguments; joined they are the arguments.")
    ] = None

    def __post_init__(self) -> None:
        if self.pieces is not None:
            force_setattr(self, "arguments", _join(self.pieces, self.text or None, "arguments"))
        _check_characters(name=self.name, text=self.text)

    @property
    def text(self) -> str:
        """What is streamed piece by piece: the arguments as JSON text."""
        return as_json_text(self.arguments)


class Choice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one choice of a reply means."""

    content: Annotated[Text | None, Meta(description="The text.")] = None
    pieces: Annotated[
        tuple[Text, ...] | None,
        Meta(description="The tokens of the content, if they are to be other than the tokenizer's."),
    ] = None
    reasoning: Annotated[Text | None, Meta(description="The reasoning, streamed before the content.")] = None
    refusal: Annotated[Text | None, Meta(description="The refusal, in place of content.")] = None
    tool_calls: tuple[ToolCall, ...] = ()
    function_call: FunctionCall | None = None
    finish_reason: Annotated[
        str | None, Meta(description="Default: tool_calls, function_call, length or stop, as it follows from the rest.")
    ] = None

    def __post_init__(self) -> None:
        if self.pieces is not None:
            force_setattr(self, "content", _join(self.pieces, self.content, "content"))
        _check_characters(content=self.content, reasoning=self.reasoning, refusal=self.refusal)
        if self.tool_calls and self.function_call:
            raise ValueError("a message has tool_calls or the deprecated function_call, not both")


class Usage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Counts to send in place of the true ones."""

    prompt_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Default: the tokens of the messages.")
    ] = None
    completion_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Default: the tokens of the reply.")
    ] = None
    cached_tokens: Annotated[int, Meta(ge=0, description="How many of the prompt's tokens came from a cache.")] = 0


class Reply(Choice, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is meant: one choice written directly, or several under `choices`. With `n` above that they begin again."""

    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = [key for key in Choice.__struct_fields__ if getattr(self, key) not in (None, ())]
        if self.choices and parts:
            raise ValueError(
                f"a reply has choices, or the parts of the only one; got choices and {' and '.join(parts)}"
            )

    def choice(self, index: int) -> Choice:
        """The meaning of choice `index` of a request."""
        return self.choices[index % len(self.choices)] if self.choices else self


@dataclass(frozen=True, slots=True)
class Token:
    """One unit of a reply: a piece of text and the part of the choice it belongs to. `call` counts tool calls."""

    part: Part
    text: str
    call: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as one request gets it. `text` is what its tokens add up to."""

    id: str
    type: Literal["function", "custom"]
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class CompletedChoice:
    """One choice as one request gets it: already cut, with every token."""

    index: int
    tokens: tuple[Token, ...]
    calls: tuple[Call, ...]
    function_name: str | None
    finish_reason: str

    def text(self, part: Part, call: int = 0) -> str | None:
        """The tokens of one part joined, or None if the choice has no such part."""
        pieces = [token.text for token in self.tokens if token.part == part and token.call == call]
        return "".join(pieces) if pieces else None


@dataclass(frozen=True, slots=True)
class Completion:
    """The meaning of the answer to one request."""

    choices: tuple[CompletedChoice, ...]
    usage: dict[str, Any]


def complete(reply: Reply, request: ChatRequest, tokenizer: Tokenizer, call_ids: Iterator[str]) -> Completion:
    """The completion that `request` gets of `reply`: cut by n, stop and the token limit, and counted.

    `call_ids` names the tool calls to which the scenario gives no id.
    """
    choices = tuple(_complete_choice(reply.choice(i), i, request, tokenizer, call_ids) for i in range(request.n))
    return Completion(choices, _count(choices, reply.usage or Usage(), request, tokenizer))


def _complete_choice(
    choice: Choice, index: int, request: ChatRequest, tokenizer: Tokenizer, call_ids: Iterator[str]
) -> CompletedChoice:
    tokens, finish_reason = list(_tokens(choice, tokenizer)), choice.finish_reason
    calls: Sequence[ToolCall] = choice.tool_calls
    function = choice.function_call
    if (before_stop := _cut_at_stop(tokens, request.stop)) is not None:
        tokens, finish_reason, calls, function = before_stop, "stop", (), None
    if request.limit is not None and len(tokens) > request.limit:
        tokens, finish_reason = tokens[: request.limit], "length"
        started = {token.call for token in tokens if token.part == "tool_call"}
        calls = calls[: max(started, default=-1) + 1]
        function = function if any(token.part == "function_call" for token in tokens) else None
    return CompletedChoice(
        index=index,
        tokens=tuple(tokens),
        calls=tuple(
            Call(
                call.id if call.id is not None else next(call_ids),
                call.type,
                call.name,
                "".join(token.text for token in tokens if token.part == "tool_call" and token.call == k),
            )
            for k, call in enumerate(calls)
        ),
        function_name=function.name if function else None,
        finish_reason=finish_reason or ("tool_calls" if calls else "function_call" if function else "stop"),
    )


def _tokens(choice: Choice, tokenizer: Tokenizer) -> Iterator[Token]:
    """The tokens of a choice in the order in which a model says them."""
    parts: list[tuple[Part, int, str | None, Sequence[str] | None]] = [
        ("reasoning", 0, choice.reasoning, None),
        ("content", 0, choice.content, choice.pieces),
        ("refusal", 0, choice.refusal, None),
        *(("tool_call", k, call.text, call.pieces) for k, call in enumerate(choice.tool_calls)),
    ]
    if choice.function_call:
        parts.append(("function_call", 0, choice.function_call.text, choice.function_call.pieces))
    for part, call, text, pieces in parts:
        for piece in tokenizer(plain(text or "")) if pieces is None else map(plain, pieces):
            yield Token(part, piece, call)


def _cut_at_stop(tokens: list[Token], stops: Sequence[str]) -> list[Token] | None:
    """The tokens before the first stop sequence in the content, or None where there is none.

    The stop sequence itself is not part of the answer, and nothing comes after it.
    """
    content = "".join(token.text for token in tokens if token.part == "content")
    found = [at for stop in stops if stop and (at := content.find(stop)) >= 0]
    if not found:
        return None
    end, at, kept = min(found), 0, []
    for token in tokens:
        if token.part == "reasoning":
            kept.append(token)
        elif token.part == "content" and at < end:
            kept.append(Token("content", token.text[: end - at]))
            at += len(token.text)
        else:
            break
    return kept


def _count(
    choices: Sequence[CompletedChoice], usage: Usage, request: ChatRequest, tokenizer: Tokenizer
) -> dict[str, Any]:
    """The usage object, as OpenAI's `CompletionUsage` has it: with several choices the sum."""
    tokens = [token for choice in choices for token in choice.tokens]
    prompt = usage.prompt_tokens if usage.prompt_tokens is not None else count_prompt_tokens(request, tokenizer)
    completion = usage.completion_tokens if usage.completion_tokens is not None else len(tokens)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(token.part == "reasoning" for token in tokens),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def as_json_text(value: str | dict[str, Any]) -> str:
    """A JSON text as it is, an object as compact JSON. Raises `ValueError` for what JSON has no form for."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected an object that JSON can write, got {value!r}: {error}") from None


def _join(pieces: Sequence[str], text: str | None, what: str) -> str:
    """The pieces joined. Raises `ValueError` if they are not `text`, where that is given."""
    joined = "".join(pieces)
    if text is not None and text != joined:
        raise ValueError(f"pieces joined are not the {what}: expected {text!r}, got {joined!r}")
    return joined


def _check_characters(**texts: str | None) -> None:
    """Hold that every text can be sent: a YAML or JSON escape may stand for half a character, UTF-8 has none."""
    for what, text in texts.items():
        try:
            (text or "").encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{what}: expected whole characters, got half of one at {error.start}: {text!r}") from None
