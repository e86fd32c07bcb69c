import pytest

from client.completion import Choice, Completion, FunctionCall, ToolCall
from client.errors import MalformedError, TruncatedError
from client.whole import find_fault

STOPPED = Choice(0, content="a", finish_reason="stop")
OPEN = Choice(1, content="b")


def called(arguments: str, finish_reason: str | None = "tool_calls", type: str = "function") -> Completion:
    return Completion(
        choices=(Choice(0, tool_calls=(ToolCall("t", "f", arguments, type),), finish_reason=finish_reason),)
    )


@pytest.mark.parametrize(
    ("completion", "choices", "done"),
    [
        (Completion(choices=(STOPPED,)), 1, False),
        (Completion(choices=(STOPPED,)), 1, True),
        (Completion(choices=(OPEN,)), 1, True),
        (Completion(choices=(STOPPED, OPEN)), 2, True),
        (Completion(choices=(STOPPED,)), 2, True),
        (called('{"a":1}'), 1, False),
        (called(""), 1, False),
        (called("  "), 1, False),
        (called('{"a"', "length"), 1, False),
        (called('{"a"', "content_filter"), 1, False),
        (called("SELECT", type="custom"), 1, False),
        (
            Completion(choices=(Choice(0, function_call=FunctionCall("f", "{}"), finish_reason="function_call"),)),
            1,
            False,
        ),
    ],
)
def test_a_whole_reply_has_no_fault(completion: Completion, choices: int, done: bool) -> None:
    assert find_fault(completion, choices=choices, done=done) is None


@pytest.mark.parametrize(
    ("completion", "choices", "done", "kind", "message"),
    [
        (Completion(), 1, True, TruncatedError, "expected a chunk with a choice, got none before the end"),
        (Completion(), 1, False, TruncatedError, "expected a chunk with a choice, got none before the end"),
        (
            Completion(choices=(OPEN,)),
            1,
            False,
            TruncatedError,
            "expected a finish reason or [DONE] before the end, got none for choice 1",
        ),
        (Completion(choices=(STOPPED, OPEN)), 2, False, TruncatedError, "got none for choice 1"),
        (
            Completion(choices=(STOPPED,)),
            2,
            False,
            TruncatedError,
            "expected 2 choices or [DONE] before the end, got 1",
        ),
        (called('{"a"'), 1, True, MalformedError, "expected JSON as the arguments of 'f', got '{\"a\"'"),
        (called('{"a":1}{"a":1}', "stop"), 1, False, MalformedError, "JSON as the arguments"),
        (called('{"a": NaN}', "stop"), 1, False, MalformedError, "JSON as the arguments"),
        (called('{"a"', None), 1, True, MalformedError, "JSON as the arguments"),
        (called("[" * 100_000), 1, True, MalformedError, "JSON as the arguments"),
        (
            Completion(choices=(Choice(0, function_call=FunctionCall("f", "{"), finish_reason="stop"),)),
            1,
            True,
            MalformedError,
            "of 'f'",
        ),
    ],
)
def test_what_is_not_whole_is_named(
    completion: Completion, choices: int, done: bool, kind: type[Exception], message: str
) -> None:
    fault = find_fault(completion, choices=choices, done=done)
    assert type(fault) is kind
    assert message in str(fault)
