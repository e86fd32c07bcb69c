import math

import pytest

from client.deadline import Waiting
from client.limits import Limits

LIMITS = Limits(ttft_timeout_s=10, idle_timeout_s=2)


def start(limits: Limits = LIMITS) -> Waiting:
    waiting = Waiting(limits, 100.0)
    waiting.begin_attempt(100.0)
    return waiting


def receive(
    waiting: Waiting,
    at_s: float,
    *,
    event: bool = True,
    comment: bool = False,
    token: bool = False,
    back_s: float | None = None,
) -> bool:
    return waiting.receive(at_s, at_s if back_s is None else back_s, event=event, comment=comment, token=token)


def told(waiting: Waiting) -> tuple[float, str]:
    return waiting.deadline.at_s, waiting.deadline.limit


def test_before_the_first_token_only_the_request_counts() -> None:
    waiting = start()
    assert told(waiting) == (110.0, "ttft")
    assert not receive(waiting, 103.0)
    assert not receive(waiting, 104.0, event=False, comment=True)
    assert told(waiting) == (110.0, "ttft")


def test_from_the_first_token_on_every_event_counts_anew() -> None:
    waiting = start()
    assert receive(waiting, 103.0, token=True)
    assert told(waiting) == (105.0, "idle")
    assert receive(waiting, 104.0, token=True)
    assert told(waiting) == (106.0, "idle")
    assert not receive(waiting, 105.0, event=False, comment=True, token=True)
    assert not receive(waiting, 105.5, event=False, token=True)
    assert told(waiting) == (106.0, "idle")


def test_comments_count_where_that_was_told() -> None:
    waiting = start(Limits(ttft_timeout_s=10, idle_timeout_s=2, progress="comment"))
    assert receive(waiting, 109.0, event=False, comment=True)
    assert told(waiting) == (119.0, "ttft")
    assert not receive(waiting, 110.0, event=False)
    assert receive(waiting, 111.0, token=True)
    assert receive(waiting, 112.0, event=False, comment=True, token=True)
    assert told(waiting) == (114.0, "idle")


def test_every_byte_counts_where_that_was_told() -> None:
    waiting = start(Limits(ttft_timeout_s=10, idle_timeout_s=2, progress="byte"))
    assert receive(waiting, 109.0, event=False)
    assert told(waiting) == (119.0, "ttft")
    assert receive(waiting, 111.0, event=False, token=True)
    assert told(waiting) == (113.0, "idle")


def test_time_spent_by_the_caller_is_not_the_servers() -> None:
    waiting = start()
    receive(waiting, 101.0, back_s=131.0)
    assert told(waiting) == (140.0, "ttft")
    receive(waiting, 132.0, back_s=182.0, token=True)
    assert told(waiting) == (184.0, "idle")
    receive(waiting, 183.0, back_s=183.5, event=False, token=True)
    assert told(waiting) == (184.5, "idle")


def test_the_total_counts_everything_and_all_attempts() -> None:
    waiting = start(Limits(ttft_timeout_s=10, idle_timeout_s=2, total_timeout_s=11))
    assert told(waiting) == (110.0, "ttft")
    waiting.begin_attempt(105.0)
    assert told(waiting) == (111.0, "total")
    receive(waiting, 106.0, back_s=120.0, token=True)
    assert told(waiting) == (111.0, "total")


def test_a_new_attempt_waits_for_its_own_first_token() -> None:
    waiting = start()
    receive(waiting, 101.0, token=True)
    waiting.begin_attempt(120.0)
    assert told(waiting) == (130.0, "ttft")


def test_a_limit_that_is_off_never_runs_out() -> None:
    assert start(Limits(ttft_timeout_s=None, idle_timeout_s=2)).deadline.at_s == math.inf


def test_another_request_is_allowed_while_time_is_left() -> None:
    assert start().allows(1e9, 100.0)
    waiting = start(Limits(total_timeout_s=10))
    assert waiting.allows(4.0, 105.0)
    assert not waiting.allows(5.0, 105.0)


@pytest.mark.parametrize(
    ("limits", "token", "says"),
    [
        (
            Limits(ttft_timeout_s=0.5),
            False,
            "expected a first token within 0.5 s, got none; raise ttft_timeout_s if waiting longer is meant",
        ),
        (Limits(idle_timeout_s=3), True, "expected another event within 3 s"),
        (Limits(total_timeout_s=1), True, "expected the end of the reply within 1 s"),
    ],
)
def test_the_error_names_the_limit(limits: Limits, token: bool, says: str) -> None:
    waiting = start(limits)
    receive(waiting, 100.1, token=token)
    error = waiting.deadline.error
    assert str(error).startswith(says)
    assert (error.limit, error.limit_s) == (waiting.deadline.limit, waiting.deadline.limit_s)
