import pickle

import pytest

from client import errors
from client.completion import Completion
from client.errors import ChatError, RefusedError, StalledError, excerpt


def test_the_tree_at_the_top_of_the_file_is_the_tree() -> None:
    drawn = {line.split()[1] for line in (errors.__doc__ or "").splitlines() if line.strip().startswith(("├", "└"))}
    assert drawn == {kind.__name__ for kind in ChatError.__subclasses__()}
    assert drawn | {"ChatError"} == set(errors.__all__)


def test_an_error_says_what_was_expected_what_came_and_what_to_do() -> None:
    assert str(ChatError("a", "b")) == "expected a, got b"
    assert str(ChatError("a", "b", remedy="c")) == "expected a, got b; c"


@pytest.mark.parametrize("kind", ChatError.__subclasses__())
def test_an_error_survives_pickling_with_what_it_carries(kind: type[ChatError]) -> None:
    error = kind("a", "b", remedy="c")
    error.completion = Completion(id="x")
    error.attempts = 3
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.completion, copy.attempts) == ("expected a, got b; c", Completion(id="x"), 3)


def test_what_an_error_adds_has_a_value_from_the_start() -> None:
    refused, stalled = RefusedError("a", "b"), StalledError("a", "b")
    assert (refused.status, dict(refused.headers), refused.body, refused.retry_after_s) == (0, {}, "", None)
    assert (stalled.limit, stalled.limit_s, stalled.completion) == ("", 0.0, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ab", "'ab'"), (b"a\xff", "'a\ufffd'"), ("x" * 300, repr("x" * 200) + " … (300 in all)"), (b"", "''")],
)
def test_an_excerpt_is_quoted_and_short(text: str | bytes, shown: str) -> None:
    assert excerpt(text) == shown
