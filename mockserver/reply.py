"""The meaning of an answer, as a scenario says it: for each choice the text, tool calls, refusal, reasoning, finish reason.

What one request gets of it is its `completion`; how that is sent is no matter of either.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from mockserver.shorthand import Text, plain_pieces


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
            force_setattr(self, "pieces", plain_pieces(self.pieces))
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
            force_setattr(self, "pieces", plain_pieces(self.pieces))
        _check_characters(name=self.name, text=self.text)

    @property
    def text(self) -> str:
        """What is streamed piece by piece: the arguments as JSON text."""
        return as_json_text(self.arguments)


class Choice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """What one choice of a reply means. Its `__dict__` has what is worked out of that once, such as its tokens."""

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
            force_setattr(self, "pieces", plain_pieces(self.pieces))
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
