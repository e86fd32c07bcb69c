"""What a reply comes to: the values that `client.accumulate` builds and everything else hands out. No behaviour beyond reading.

Texts that never came are empty (`content`) or None (`refusal`, `reasoning`): a stream that sends `""` first and one that sends
nothing mean the same, so the completion does not tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

__all__ = ["Audio", "Choice", "Completion", "Delta", "FunctionCall", "Timings", "ToolCall"]


class Delta(Struct, frozen=True):
    """What one chunk adds to one choice; `raw` is the delta object as it came, unknown keys included.

    `index` is the choice's. `tool_calls` are pieces as they came: which call each belongs to is known for sure only in
    `Completion.tool_calls`.
    """

    index: int
    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str | None = None
    raw: Mapping[str, Any] = {}

    @property
    def has_token(self) -> bool:
        """Whether it carries anything of the reply, as a role or a finish reason alone does not."""
        return bool(
            self.content
            or self.reasoning
            or self.refusal
            or self.tool_calls
            or self.raw.get("function_call")
            or self.raw.get("audio")
        )


class ToolCall(Struct, frozen=True):
    """One tool call. `arguments` is JSON text as the model wrote it; for a custom tool it is the free-text input."""

    id: str
    name: str
    arguments: str
    type: str = "function"
    extra: Mapping[str, Any] = {}


class FunctionCall(Struct, frozen=True):
    """The deprecated `function_call` of a message."""

    name: str
    arguments: str


class Audio(Struct, frozen=True):
    """A spoken answer: `data` is base64 text, `expires_at` Unix time in seconds."""

    id: str = ""
    data: str = ""
    transcript: str = ""
    expires_at: int | None = None


class Choice(Struct, frozen=True):
    """One choice of a completion; `extra` holds the keys this package does not know, of its deltas and of the choice itself."""

    index: int
    content: str = ""
    refusal: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    function_call: FunctionCall | None = None
    audio: Audio | None = None
    logprobs: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    role: str = "assistant"
    extra: Mapping[str, Any] = {}


class Timings(Struct, frozen=True):
    """When the reply's tokens came, in seconds: `ttft_s` from the request to the first, `itl_s` between one and the next.

    A token's time is that of the read that brought it, so tokens that arrive together are 0 s apart. `total_s` reaches to the
    end of the stream, or to the last read of one that is not over.
    """

    ttft_s: float | None
    itl_s: tuple[float, ...]
    total_s: float


class Completion(Struct, frozen=True):
    """A reply, whole or as far as it came. The properties read the first choice.

    `usage` is the usage object as it came, None if none did; `extra` holds the chunk keys this package does not know.
    """

    id: str = ""
    created: int | float | None = None
    model: str = ""
    choices: tuple[Choice, ...] = ()
    usage: Mapping[str, Any] | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    extra: Mapping[str, Any] = {}
    timings: Timings | None = None

    @property
    def first(self) -> Choice:
        """The first choice; an empty one if none came."""
        return self.choices[0] if self.choices else Choice(0)

    @property
    def content(self) -> str:
        """The text of the first choice."""
        return self.first.content

    @property
    def refusal(self) -> str | None:
        """The refusal of the first choice."""
        return self.first.refusal

    @property
    def reasoning(self) -> str | None:
        """The reasoning of the first choice, under either spelling."""
        return self.first.reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the first choice."""
        return self.first.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """The finish reason of the first choice; None if the server never gave one."""
        return self.first.finish_reason
