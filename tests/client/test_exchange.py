"""The rules of a call, played without a socket or a clock: the test is the driver."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client.completion import Delta
from client.errors import (
    ChatError,
    MalformedError,
    NotReachedError,
    RefusedError,
    ReportedError,
    StalledError,
    TooLargeError,
    TruncatedError,
)
from client.exchange import DRAIN_BYTES, REFUSAL_BYTES, Exchange
from client.limits import Limits
from client.retry import Retries
from client.steps import Drain, Fault, Head, Read, Release, Send, Step, Wait
from tests.client.bodies import HEL, HELLO, ROLE, events
from tests.client.catalogue import ERROR, WHOLE, json

OK = Head(200, {"content-type": "text/event-stream"})
JSON = Head(200, {"content-type": "application/json"})
CLOSED = Fault("closed", "the end of the connection")
TIMEOUT = Fault("timeout", "nothing in time")


class Play:
    """Answers an exchange's steps from a list, keeps them and the deltas, and moves a clock."""

    def __init__(self, *answers: object, tick_s: float = 0.0, **options: Any) -> None:
        self.steps: list[Step] = []
        self.deltas: list[Delta] = []
        self.now_s = 100.0
        self.error: ChatError | None = None
        self._answers = iter(answers)
        self._tick_s = tick_s
        self.exchange = Exchange(clock=lambda: self.now_s, unix_clock=lambda: 0.0, **options)
        try:
            self._run()
        except ChatError as error:
            self.error = error

    def _run(self) -> None:
        talk = self.exchange.run()
        answer: object = None
        while True:
            try:
                step = talk.send(answer)
            except StopIteration:
                return
            if isinstance(step, Delta):
                self.deltas.append(step)
                answer = None
            else:
                self.steps.append(step)
                self.now_s += self._tick_s
                answer = self._answer(step)

    def _answer(self, step: Step) -> object:
        if isinstance(step, Wait):
            self.now_s += step.wait_s
            return None
        return None if isinstance(step, Release) else next(self._answers)

    @property
    def kinds(self) -> list[type[Step]]:
        return [type(step) for step in self.steps]

    @property
    def text(self) -> str:
        return "".join(delta.content for delta in self.deltas)

    @property
    def waits(self) -> list[float]:
        return [step.wait_s for step in self.steps if isinstance(step, Wait)]


def test_a_whole_stream_is_sent_read_and_drained() -> None:
    play = Play(OK, HELLO, b"")
    assert play.error is None
    assert play.text == "Hello"
    assert play.kinds == [Send, Read, Drain]
    assert play.exchange.completion.content == "Hello"
    assert (play.exchange.attempts, play.exchange.chunk_count) == (1, 4)


def test_a_clean_end_without_done_needs_no_draining() -> None:
    assert Play(OK, HELLO.removesuffix(b"data: [DONE]\n\n"), b"").kinds == [Send, Read, Read]


def test_draining_stops_at_a_fault_at_the_end_and_at_a_bound() -> None:
    assert Play(OK, HELLO, TIMEOUT).kinds == [Send, Read, Drain]
    assert Play(OK, HELLO, b"x", b"y", b"").kinds == [Send, Read, Drain, Drain, Drain]
    assert Play(OK, HELLO, b"x" * (DRAIN_BYTES + 1)).kinds == [Send, Read, Drain]


def test_draining_has_its_own_deadline() -> None:
    play = Play(OK, HELLO, b"", limits=Limits(drain_timeout_s=0.25))
    assert play.steps[-1] == Drain(100.25)


def test_the_steps_carry_the_deadlines() -> None:
    limits = Limits(connect_timeout_s=3, ttft_timeout_s=10, idle_timeout_s=2)
    play = Play(OK, events(ROLE), events(HEL), TIMEOUT, tick_s=1.0, limits=limits, retries=Retries(count=0))
    assert play.steps == [Send(110.0, 3), Read(110.0), Read(110.0), Read(105.0)]
    assert isinstance(play.error, StalledError)
    assert play.error.limit == "idle"


# Limits


def test_a_stream_that_keeps_talking_and_says_nothing_is_stalled() -> None:
    """Each read succeeds, so no driver's deadline ever passes: the rule has to."""
    pings: Iterator[object] = (b": ping\n\n" for _ in range(1000))
    play = Play(OK, events(HEL), *pings, tick_s=0.5, limits=Limits(idle_timeout_s=2))
    assert isinstance(play.error, StalledError)
    assert play.error.limit == "idle"
    assert len(play.steps) < 10
    play = Play(
        OK, *(b"da" for _ in range(1000)), tick_s=0.5, limits=Limits(ttft_timeout_s=2), retries=Retries(count=0)
    )
    assert isinstance(play.error, StalledError)
    assert play.error.limit == "ttft"


def test_events_that_come_late_but_come_are_taken() -> None:
    play = Play(OK, events(HEL), HELLO, b"", tick_s=3.0, limits=Limits(ttft_timeout_s=60, idle_timeout_s=2))
    assert play.error is None


def test_a_slow_stream_may_take_for_ever() -> None:
    play = Play(OK, *(events(HEL) for _ in range(500)), HELLO, b"", tick_s=59.0)
    assert play.error is None


def test_unless_a_total_is_set() -> None:
    play = Play(OK, *(events(HEL) for _ in range(500)), tick_s=1.0, limits=Limits(total_timeout_s=10))
    assert isinstance(play.error, StalledError)
    assert play.error.limit == "total"
    assert len(play.steps) < 15


# Errors and what they carry


@pytest.mark.parametrize(
    ("answers", "kind", "says"),
    [
        ([Fault("connect", "a refusal")], NotReachedError, "expected a connection, got a refusal"),
        ([CLOSED], NotReachedError, "the head of an answer"),
        ([TIMEOUT], StalledError, "a first token"),
        ([OK, events(HEL), CLOSED], TruncatedError, "the rest of the body"),
        ([OK, events(HEL), Fault("coding", "damaged data")], MalformedError, "content coding"),
        ([OK, events(HEL), b""], TruncatedError, "finish reason"),
        ([OK, events(HEL, {"error": ERROR})], ReportedError, "boom"),
        ([Head(500, {}), b"oops", b""], RefusedError, "500: 'oops'"),
        ([Head(500, {}), b"oo", CLOSED], RefusedError, "500: 'oo'"),
        ([Head(400, {}), json({"error": {"message": ["x"]}}), b""], RefusedError, "400: "),
        ([Head(400, {}), b"[1]", b""], RefusedError, "400: '[1]'"),
        ([JSON, json({"error": ERROR}), b""], ReportedError, "boom"),
    ],
)
def test_an_error_carries_what_came_and_the_attempt(answers: list[object], kind: type[ChatError], says: str) -> None:
    play = Play(*answers, retries=Retries(count=0))
    assert type(play.error) is kind
    assert says in str(play.error)
    assert play.error.attempts == 1
    assert play.error.completion is not None
    assert play.error.completion.content == play.text


def test_a_refusal_carries_its_answer() -> None:
    headers = {"retry-after": "7", "x-request-id": "r"}
    play = Play(Head(429, headers), json({"error": ERROR}), b"", retries=Retries(count=0))
    assert isinstance(play.error, RefusedError)
    assert (play.error.status, play.error.headers, play.error.retry_after_s) == (429, headers, 7.0)
    assert (play.error.error, play.error.body) == (ERROR, json({"error": ERROR}).decode())


def test_a_redirect_says_where_to() -> None:
    play = Play(Head(307, {"location": "http://other/v1"}), b"")
    assert "http://other/v1" in str(play.error)
    assert "elsewhere" in str(Play(Head(307, {}), b"").error)


def test_an_endless_refusal_is_read_so_far_and_no_further() -> None:
    play = Play(Head(400, {}), *(b"x" * 40_000 for _ in range(100)))
    assert isinstance(play.error, RefusedError)
    assert REFUSAL_BYTES < len(play.error.body) <= REFUSAL_BYTES + 40_000


# Replies that are not streamed


def test_a_whole_reply_is_given_as_deltas() -> None:
    play = Play(JSON, json(WHOLE)[:9], json(WHOLE)[9:], b"", streamed=False)
    assert play.error is None
    assert (play.text, play.exchange.completion.content) == ("Hello", "Hello")


@pytest.mark.parametrize(
    ("answers", "limits", "kind"),
    [
        ([JSON, b'{"choices"', CLOSED], Limits(), TruncatedError),
        ([JSON, b"x" * 50, b"x" * 51], Limits(max_event_bytes=100), TooLargeError),
        ([OK, HELLO, b""], Limits(max_event_bytes=None), MalformedError),
    ],
)
def test_a_whole_reply_that_is_none_is_refused(answers: list[object], limits: Limits, kind: type[ChatError]) -> None:
    assert type(Play(*answers, streamed=False, limits=limits, retries=Retries(count=0)).error) is kind


# Retries

QUICK = Retries(count=2, first_wait_s=1.0)


@pytest.mark.parametrize("failure", [[CLOSED], [TIMEOUT], [OK, CLOSED], [OK, b": ping\n\n", b""], [Head(503, {}), b""]])
def test_what_fails_before_the_first_delta_is_tried_again(failure: list[object]) -> None:
    play = Play(*failure, *failure, OK, HELLO, b"", retries=QUICK)
    assert play.error is None
    assert play.text == "Hello"
    assert play.exchange.attempts == 3
    assert play.waits == [1.0, 2.0]


def test_the_connection_is_given_up_before_the_wait() -> None:
    play = Play(CLOSED, OK, HELLO, b"", retries=QUICK)
    assert play.kinds == [Send, Release, Wait, Send, Read, Drain]


def test_each_attempt_has_its_own_time_to_the_first_token() -> None:
    play = Play(CLOSED, OK, HELLO, b"", retries=QUICK, tick_s=1.0, limits=Limits(ttft_timeout_s=10))
    assert [step.deadline_s for step in play.steps if isinstance(step, Send)] == [110.0, 114.0]


def test_the_last_failure_is_raised_with_the_count() -> None:
    play = Play(CLOSED, CLOSED, Fault("connect", "a refusal"), retries=QUICK)
    assert isinstance(play.error, NotReachedError)
    assert play.error.got == "a refusal"
    assert play.error.attempts == 3


@pytest.mark.parametrize("failure", [CLOSED, TIMEOUT, b""])
@pytest.mark.parametrize("first", [ROLE, HEL])
def test_after_the_first_delta_nothing_is_tried_again(failure: object, first: dict[str, Any]) -> None:
    play = Play(OK, events(first), failure, OK, HELLO, b"", retries=QUICK)
    assert play.error is not None
    assert play.error.attempts == 1
    assert len(play.deltas) == 1


def test_a_chunk_without_a_choice_is_no_delta() -> None:
    play = Play(OK, events({"choices": [], "prompt_filter_results": []}), CLOSED, OK, HELLO, b"", retries=QUICK)
    assert play.error is None
    assert play.exchange.completion.extra == {}  # nothing of the first attempt is left in the second


@pytest.mark.parametrize(
    ("headers", "waits"),
    [({"retry-after": "7"}, [7.0]), ({"retry-after-ms": "20"}, [0.02]), ({"retry-after": "0"}, [0.0]), ({}, [1.0])],
)
def test_the_wait_is_what_the_server_asks_for(headers: dict[str, str], waits: list[float]) -> None:
    assert Play(Head(429, headers), b"", OK, HELLO, b"", retries=QUICK).waits == waits


def test_an_error_told_in_the_stream_is_the_callers_to_judge() -> None:
    play = Play(OK, events({"error": ERROR}), OK, HELLO, b"", retries=QUICK)
    assert isinstance(play.error, ReportedError)
    assert play.error.attempts == 1


def test_a_wait_past_the_total_is_not_begun() -> None:
    play = Play(CLOSED, OK, HELLO, b"", retries=QUICK, limits=Limits(total_timeout_s=1.0))
    assert isinstance(play.error, NotReachedError)
    assert play.waits == []


def test_the_spread_of_the_waits_is_the_callers() -> None:
    spread: Callable[[], float] = lambda: 1.0  # noqa: E731
    assert Play(CLOSED, OK, HELLO, b"", retries=QUICK, spread=spread).waits == [0.75]
