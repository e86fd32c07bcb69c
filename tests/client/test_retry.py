import time
from datetime import UTC, datetime

import pytest

from client.errors import (
    ChatError,
    MalformedError,
    NotAStreamError,
    NotReachedError,
    RefusedError,
    ReportedError,
    StalledError,
    TooLargeError,
    TruncatedError,
)
from client.retry import Retries, read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def refused(status: int, should_retry: str | None = None, retry_after_s: float | None = None) -> RefusedError:
    error = RefusedError("2xx", str(status))
    error.status = status
    error.headers = {} if should_retry is None else {"x-should-retry": should_retry}
    error.retry_after_s = retry_after_s
    return error


@pytest.mark.parametrize(
    "error",
    [
        NotReachedError("a", "b"),
        StalledError("a", "b"),
        TruncatedError("a", "b"),
        *(refused(status) for status in (408, 409, 429, 500, 502, 503, 529)),
        refused(400, "true"),
        refused(400, " TRUE "),
        refused(500, "maybe"),
    ],
)
def test_what_may_pass_is_tried_again(error: ChatError) -> None:
    assert Retries().wait_s(error, 1, 0.0) == 0.5


@pytest.mark.parametrize(
    "error",
    [
        MalformedError("a", "b"),
        NotAStreamError("a", "b"),
        ReportedError("a", "b"),
        TooLargeError("a", "b"),
        *(refused(status) for status in (301, 307, 400, 401, 404, 422)),
        refused(500, "false"),
        refused(429, "False"),
    ],
)
def test_what_will_stay_is_not_tried_again(error: ChatError) -> None:
    assert Retries().wait_s(error, 1, 0.0) is None


def test_there_are_as_many_retries_as_were_asked_for() -> None:
    error = NotReachedError("a", "b")
    assert [Retries(count=2).wait_s(error, attempt, 0.0) is not None for attempt in (1, 2, 3)] == [True, True, False]
    assert Retries(count=0).wait_s(error, 1, 0.0) is None


def test_the_wait_doubles_up_to_a_limit_and_spreads_downwards() -> None:
    error = NotReachedError("a", "b")
    retries = Retries(count=10_000, first_wait_s=0.5, last_wait_s=8.0)
    assert [retries.wait_s(error, attempt, 0.0) for attempt in (1, 2, 3, 4, 5, 6, 9999)] == [
        0.5,
        1.0,
        2.0,
        4.0,
        8.0,
        8.0,
        8.0,
    ]
    assert retries.wait_s(error, 1, 1.0) == 0.375


def test_the_server_is_obeyed_up_to_a_limit() -> None:
    retries = Retries(max_wait_s=60.0)
    assert retries.wait_s(refused(429, retry_after_s=7.0), 1, 1.0) == 7.0
    assert retries.wait_s(refused(429, retry_after_s=60.0), 1, 1.0) == 60.0
    assert retries.wait_s(refused(429, retry_after_s=60.1), 1, 1.0) is None
    assert retries.wait_s(refused(400, retry_after_s=1.0), 1, 1.0) is None


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sunday, 01-Mar-26 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun Mar  1 12:00:30 2026"}, 30.0),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_from_the_headers(headers: dict[str, str], wait_s: float | None) -> None:
    assert read_retry_after(headers, NOW) == pytest.approx(wait_s)


def test_a_date_without_a_zone_is_in_utc_wherever_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert read_retry_after({"retry-after": "Sun Mar  1 12:00:30 2026"}, NOW) == pytest.approx(30.0)
    finally:
        monkeypatch.undo()
        time.tzset()
