"""A reply as one request gets it: cut by `n`, `stop` and the token limit, every part cut into tokens, every token counted."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct

from mockserver.reply import Choice, Reply, ToolCall, Usage
from mockserver.request import ChatRequest
from mockserver.runs import Part, Token, Tokens
from mockserver.shorthand import plain
from mockserver.tokens import Tokenizer, count_prompt_tokens

_part = attrgetter("part")


class Call(Struct, frozen=True):
    """A tool call as one request gets it. `text` is what its tokens add up to."""

    id: str
    type: Literal["function", "custom"]
    name: str
    text: str


class CompletedChoice(Struct, frozen=True):
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


class Completion(Struct, frozen=True, dict=True):
    """The meaning of the answer to one request. `count` counts the usage, which most streams do not tell."""

    choices: tuple[CompletedChoice, ...]
    count: Callable[[], dict[str, Any]]

    @cached_property
    def usage(self) -> dict[str, Any]:
        """The usage object, as OpenAI's `CompletionUsage` has it."""
        return self.count()


def complete(reply: Reply, request: ChatRequest, tokenizer: Tokenizer, call_ids: Iterator[str]) -> Completion:
    """The completion that `request` gets of `reply`: cut by n, stop and the token limit, and counted.

    `call_ids` names the tool calls to which the scenario gives no id.
    """
    choices = tuple(_complete_choice(reply.choice(i), i, request, tokenizer, call_ids) for i in range(request.n))
    return Completion(choices, Count(choices, reply.usage or Usage(), request, tokenizer))


def _complete_choice(
    choice: Choice, index: int, request: ChatRequest, tokenizer: Tokenizer, call_ids: Iterator[str]
) -> CompletedChoice:
    finish_reason = choice.finish_reason
    tokens: Sequence[Token] = _tokens(choice, tokenizer)
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
        tokens=tokens if isinstance(tokens, Tokens) else Tokens(tokens),
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


_MAX_KEPT_TOKENS = 512


def _tokens(choice: Choice, tokenizer: Tokenizer) -> Tokens:
    """The tokens of a choice: the same ones for all streams that say this very choice, kept with it if they are not many."""
    kept: tuple[Tokenizer, Tokens] | None = choice.__dict__.get("tokens")  # of the server that asked last
    if kept is not None and kept[0] is tokenizer:
        return kept[1]
    tokens = Tokens(_make_tokens(choice, tokenizer))
    if len(tokens) <= _MAX_KEPT_TOKENS:
        choice.__dict__["tokens"] = tokenizer, tokens
    return tokens


def _make_tokens(choice: Choice, tokenizer: Tokenizer) -> Sequence[Token]:
    """The tokens of a choice in the order in which a model says them."""
    parts: list[tuple[Part, int, str | None, Sequence[str] | None]] = [
        ("reasoning", 0, choice.reasoning, None),
        ("content", 0, choice.content, choice.pieces),
        ("refusal", 0, choice.refusal, None),
        *(("tool_call", k, call.text, call.pieces) for k, call in enumerate(choice.tool_calls)),
    ]
    if choice.function_call:
        parts.append(("function_call", 0, choice.function_call.text, choice.function_call.pieces))
    tokens: tuple[Token, ...] = ()
    for part, call, text, pieces in parts:
        if pieces is not None:
            tokens += tuple(map(Token, repeat(part), map(plain, pieces), repeat(call)))
        elif text:
            cut = _cut if len(text) <= _KEPT_CHARACTERS else _cut.__wrapped__
            tokens += cut(part, call, plain(text), tokenizer)
    return tokens


_KEPT_CHARACTERS = 8 * 1024


@lru_cache(64)
def _cut(part: Part, call: int, text: str, tokenizer: Tokenizer) -> tuple[Token, ...]:
    """A text as tokens: the same ones for all streams that say the same, which costs neither time nor memory."""
    return tuple([Token(part, piece, call) for piece in tokenizer(text)])


def _cut_at_stop(tokens: Sequence[Token], stops: Sequence[str]) -> list[Token] | None:
    """The tokens before the first stop sequence in the content, or None where there is none.

    The stop sequence itself is not part of the answer, and nothing comes after it.
    """
    if not stops:
        return None
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


class Count(Struct, frozen=True):
    """Counts the usage object: with several choices the sum; `told` are the counts to send in place of the true ones."""

    choices: tuple[CompletedChoice, ...]
    told: Usage
    request: ChatRequest
    tokenizer: Tokenizer

    def __call__(self) -> dict[str, Any]:
        told, choices = self.told, self.choices
        prompt = told.prompt_tokens
        if prompt is None:
            prompt = count_prompt_tokens(self.request, self.tokenizer)
        completion = told.completion_tokens
        if completion is None:
            completion = sum([len(choice.tokens) for choice in choices])
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": told.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": sum([_count_reasoning(choice.tokens) for choice in choices]),
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def _count_reasoning(tokens: Sequence[Token]) -> int:
    """How many tokens are of reasoning, which comes before everything else."""
    return [*map(_part, tokens)].count("reasoning") if tokens and tokens[0].part == "reasoning" else 0
