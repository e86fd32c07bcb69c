import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.errors import RequestError
from mockserver.limits import (
    PERIOD_S,
    Bucket,
    Buckets,
    charge,
    format_duration,
    make_buckets,
    tell_limits,
)
from mockserver.scenario import RateLimit
from mockserver.state import State

capacities = st.integers(1, 10_000)
moments = st.floats(0, 1e6)
pauses = st.lists(st.floats(0, 100), max_size=20)


def refusal(buckets: Buckets, tokens: int, now_s: float) -> RequestError:
    with pytest.raises(RequestError) as caught:
        charge(buckets, tokens, "gpt-4o", now_s)
    return caught.value


# One bucket


def test_a_full_bucket_gives_all_it_holds_at_once_and_then_a_share_each_so_often() -> None:
    bucket = Bucket(3)
    assert (bucket.remaining(0.0), bucket.reset_s(0.0)) == (3, 0.0)
    for left in (2, 1, 0):
        assert bucket.wait_s(1, 0.0) == 0.0
        bucket = bucket.take(1, 0.0)
        assert bucket.remaining(0.0) == left
        assert bucket.reset_s(0.0) == 20.0 * (3 - left)
    assert bucket.wait_s(1, 0.0) == 20.0
    assert bucket.wait_s(1, 19.5) == 0.5
    assert bucket.wait_s(1, 20.0) == 0.0
    assert [bucket.remaining(at) for at in (19.9, 20.0, 39.0, 40.0, 60.0, 600.0)] == [0, 1, 1, 2, 3, 3]


@given(capacities, moments)
def test_more_than_a_bucket_holds_is_never_to_be_had(capacity: int, now_s: float) -> None:
    assert Bucket(capacity).wait_s(capacity, now_s) == 0.0
    assert math.isinf(Bucket(capacity).wait_s(capacity + 1, now_s))


@given(capacities, pauses, st.data())
def test_whoever_waits_as_long_as_told_gets_it_and_not_a_moment_sooner(
    capacity: int, waits: list[float], data: st.DataObject
) -> None:
    bucket, now_s = Bucket(capacity), 0.0
    for pause in waits:
        now_s += pause
        amount = data.draw(st.integers(1, capacity))
        wait_s = bucket.wait_s(amount, now_s)
        assert 0.0 <= wait_s <= PERIOD_S + 1e-9
        if wait_s > 0.01:
            assert bucket.wait_s(amount, now_s + wait_s - 0.01) > 0.0
        now_s += wait_s
        assert bucket.wait_s(amount, now_s) == 0.0
        assert bucket.remaining(now_s) >= amount
        bucket = bucket.take(amount, now_s)


@given(capacities, st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), max_size=60))
def test_in_no_minute_more_is_given_than_the_bucket_holds_and_what_flows_in(
    capacity: int, asked: list[tuple[float, int]]
) -> None:
    bucket, now_s, given_ = Bucket(capacity), 0.0, []
    for pause, amount in asked:
        now_s += pause
        if bucket.wait_s(amount, now_s) == 0.0:
            bucket = bucket.take(amount, now_s)
            given_.append((now_s, amount))
    for start, _ in given_:
        for end, _ in given_:
            if end >= start:
                total = sum(amount for at, amount in given_ if start <= at <= end)
                assert total <= capacity * (1 + (end - start) / PERIOD_S) + 0.01


@given(capacities, moments, st.lists(st.floats(0, 200), min_size=2))
def test_what_remains_never_gets_less_with_time(capacity: int, now_s: float, later: list[float]) -> None:
    bucket = Bucket(capacity).take(capacity, now_s)
    left = [bucket.remaining(now_s + pause) for pause in sorted(later)]
    assert all(0 <= one <= other <= capacity for one, other in pairwise(left))


# Requests and tokens


def test_a_scenario_has_a_bucket_for_each_limit_it_tells() -> None:
    assert make_buckets(RateLimit()) == {}
    assert make_buckets(RateLimit(requests_per_minute=5)) == {"requests": Bucket(5)}
    both = make_buckets(RateLimit(5, 1000))
    assert both == {"requests": Bucket(5), "tokens": Bucket(1000)}
    after = charge(both, 400, "m", 0.0)
    assert {what: bucket.remaining(0.0) for what, bucket in after.items()} == {"requests": 4, "tokens": 600}


def test_over_the_requests_a_request_is_refused_in_the_real_words_with_a_true_time() -> None:
    buckets = make_buckets(RateLimit(requests_per_minute=3))
    for _ in range(3):
        buckets = charge(buckets, 10, "gpt-4o", 0.0)
    error = refusal(buckets, 10, 0.3456)
    assert (error.status, error.type, error.code, error.param) == (429, "requests", "rate_limit_exceeded", None)
    assert error.message == (
        "Rate limit reached for gpt-4o in organization org-mockserver on requests per min (RPM): Limit 3, Used 3, "
        "Requested 1. Please try again in 19.655s. Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    assert dict(error.headers) == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "59.655s",
        "Retry-After": "20",
        "retry-after-ms": "19655",
    }


def test_over_the_tokens_a_request_is_refused_and_uses_up_no_request() -> None:
    buckets = charge(make_buckets(RateLimit(10, 1000)), 900, "gpt-4o", 0.0)
    error = refusal(buckets, 200, 0.0)
    assert (error.type, error.code) == ("tokens", "rate_limit_exceeded")
    assert "on tokens per min (TPM): Limit 1000, Used 900, Requested 200. Please try again in 6s." in error.message
    headers = dict(error.headers)
    assert (headers["x-ratelimit-remaining-requests"], headers["x-ratelimit-remaining-tokens"]) == ("9", "100")
    assert (headers["Retry-After"], headers["retry-after-ms"]) == ("6", "6000")
    assert charge(buckets, 200, "gpt-4o", 6.0)


def test_a_request_too_large_for_any_time_is_told_so_and_not_to_come_again() -> None:
    error = refusal(make_buckets(RateLimit(tokens_per_minute=100)), 101, 0.0)
    assert error.message.startswith(
        "Request too large for gpt-4o in organization org-mockserver on tokens per min (TPM): Limit 100, Requested 101. "
        "The input or output tokens must be reduced in order to run successfully."
    )
    headers = dict(error.headers)
    assert headers["x-should-retry"] == "false"
    assert not {"Retry-After", "retry-after-ms"} & headers.keys()


@given(st.integers(1, 50), st.integers(1, 500), st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500)), max_size=40))
def test_the_times_in_a_refusal_are_true(requests: int, tokens: int, asked: list[tuple[float, int]]) -> None:
    buckets, now_s = make_buckets(RateLimit(requests, tokens)), 0.0
    for pause, amount in asked:
        now_s += pause
        amount = min(amount, tokens)
        try:
            buckets = charge(buckets, amount, "m", now_s)
        except RequestError as error:
            headers = dict(error.headers)
            ms = int(headers["retry-after-ms"])
            assert int(headers["Retry-After"]) == math.ceil(ms / 1000)
            assert ms > 0
            # Requests are looked at first: only when they are there again, the tokens may still be missing.
            again_s = now_s + ms / 1000
            what = "requests" if error.type == "requests" else "tokens"
            assert buckets[what].wait_s(1 if what == "requests" else amount, again_s) == 0.0  # type: ignore[index]


# Headers


def test_the_headers_tell_what_is_left_and_when_all_is_there_again() -> None:
    buckets = charge(make_buckets(RateLimit(60, 40_000)), 150, "m", 0.0)
    assert tell_limits(buckets, 0.0) == (
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "40000"),
        ("x-ratelimit-remaining-tokens", "39850"),
        ("x-ratelimit-reset-tokens", "225ms"),
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.006, "6ms"), (0.0001, "1ms"), (0.9991, "1s"), (1, "1s"), (1.5, "1.5s"), (59.999, "59.999s"), (60, "1m0s"),
     (90, "1m30s"), (360, "6m0s"), (90.25, "1m30.25s"), (3600, "1h0m0s"), (3661.5, "1h1m1.5s"), (8.64, "8.64s")],
)  # fmt: skip
def test_times_are_written_as_the_real_api_writes_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(0, 1e5))
def test_a_written_time_is_rounded_up_to_a_millisecond(seconds: float) -> None:
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?([\d.]+)(m?)s", format_duration(seconds))
    assert found is not None
    hours, minutes, rest, milli = found.groups()
    read = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest) / (1000 if milli else 1)
    assert seconds - 1e-6 <= read <= seconds + 0.0011


# What is remembered


def test_a_state_keeps_each_scenario_s_limits_apart_until_it_is_cleared() -> None:
    state, limit = State(), RateLimit(requests_per_minute=1)
    assert state.charge("one", limit, 0, "m", 0.0)["requests"].remaining(0.0) == 0
    assert state.charge("two", limit, 0, "m", 0.0)["requests"].remaining(0.0) == 0
    for name in ("one", "two"):
        with pytest.raises(RequestError):
            state.charge(name, limit, 0, "m", 0.0)
    assert state.charge("one", RateLimit(requests_per_minute=2), 0, "m", 0.0)["requests"].remaining(0.0) == 1, (
        "a limit that has changed begins anew"
    )
    assert state.charge("two", limit, 0, "m", 60.0)
    state.clear()
    assert state.charge("one", limit, 0, "m", 0.0)
