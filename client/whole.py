"""When is a completion whole? The rule lives here.

- `[DONE]` is the protocol's own end: with it, a missing finish reason is the server's word (some never send one) and is passed on
  as None. Without it, a clean end is whole only if every choice seen has a finish reason, and as many choices came as were asked
  for.
- Without any choice there is no completion, `[DONE]` or not.
- Finished tool arguments must be JSON (none at all means `{}`), else something was lost, doubled or made up on the way. Where
  the finish reason says that the reply was cut (`length`, `content_filter`), half arguments are what was meant.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from client.completion import Choice, Completion
from client.errors import ChatError, MalformedError, TruncatedError, excerpt

__all__ = ["find_fault"]

CUT_REASONS = frozenset({"length", "content_filter"})


def find_fault(completion: Completion, *, choices: int, done: bool) -> ChatError | None:
    """Why `completion`, its stream over, is not whole; None if it is.

    `choices` is how many were asked for, `done` whether `[DONE]` came.
    """
    if not completion.choices:
        return TruncatedError("a chunk with a choice", "none before the end")
    if not done:
        missing = [str(choice.index) for choice in completion.choices if not choice.finish_reason]
        if missing:
            return TruncatedError("a finish reason or [DONE] before the end", f"none for choice {', '.join(missing)}")
        if len(completion.choices) < choices:
            return TruncatedError(f"{choices} choices or [DONE] before the end", f"{len(completion.choices)}")
    for choice in completion.choices:
        for name, arguments in list_arguments(choice):
            if choice.finish_reason not in CUT_REASONS and not is_json(arguments):
                return MalformedError(f"JSON as the arguments of {name!r}", excerpt(arguments))
    return None


def list_arguments(choice: Choice) -> Iterable[tuple[str, str]]:
    """The names and arguments of the calls whose arguments have to be JSON; a custom tool's input is free text."""
    for call in choice.tool_calls:
        if call.type != "custom":
            yield call.name, call.arguments
    if choice.function_call is not None:
        yield choice.function_call.name, choice.function_call.arguments


def is_json(arguments: str) -> bool:
    """Whether finished arguments can be read; nothing at all is a call without parameters."""
    if not arguments.strip():
        return True
    try:
        msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return True
