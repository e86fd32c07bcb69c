"""Rate limits as a client meets them: true headers on every answer, a 429 over the limit, and a client that waits is served."""

from collections.abc import Iterator

import openai
import pytest

from mockserver.clock import RealClock
from mockserver.server import MockServer
from tests.support import RawClient, chat

HEADERS = tuple(
    f"x-ratelimit-{name}-{what}" for what in ("requests", "tokens") for name in ("limit", "remaining", "reset")
)


class PushedClock(RealClock):
    """A clock that goes on only when it is pushed, and writes down how often and how far."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 0.0
        self.pushes: list[float] = []

    def now(self) -> float:
        return self.at_s

    def push(self, seconds: float) -> None:
        self.at_s += seconds
        self.pushes.append(seconds)


@pytest.fixture
def clock() -> PushedClock:
    return PushedClock()


@pytest.fixture
def server(clock: PushedClock) -> Iterator[MockServer]:
    with MockServer(strict=True, clock=clock) as server:
        yield server


def test_every_answer_tells_what_is_left(server: MockServer, clock: PushedClock) -> None:
    server.reply("hi", rate_limit={"requests_per_minute": 60, "tokens_per_minute": 6000})
    with RawClient(server) as client:
        for _ in range(2):
            answer = client.ask(chat("one two", max_tokens=100))
        told = [answer.header(name) for name in HEADERS]
        assert told == ["60", "58", "2s", "6000", "5784", "2.16s"]  # 8 tokens of the prompt, 100 at most to come, twice
        assert answer.content == "hi"
        clock.push(1.0)
        whole = client.ask(chat("one two", max_tokens=100, stream=False))
        assert [whole.header(name) for name in HEADERS] == ["60", "58", "2s", "6000", "5776", "2.24s"]


def test_several_choices_may_each_be_as_long_as_was_asked_for(server: MockServer) -> None:
    server.reply("hi", rate_limit={"tokens_per_minute": 6000})
    with RawClient(server) as client:
        answer = client.ask(chat("one two", max_tokens=100, n=3))
        assert answer.header("x-ratelimit-remaining-tokens") == str(6000 - 8 - 300)
        assert answer.header("x-ratelimit-limit-requests") == "10000", "what has no limit looks as usual"


def test_over_the_limit_comes_a_429_and_whoever_waits_as_told_is_served(server: MockServer, clock: PushedClock) -> None:
    server.add(
        {
            "name": "limited",
            "rate_limit": {"requests_per_minute": 2},
            "sequence": [{"reply": "one"}, {"reply": "two"}, {"reply": "three"}],
        }
    )
    with RawClient(server) as client:
        assert [client.ask(chat()).content for _ in range(2)] == ["one", "two"]
        refused = client.ask(chat())
        assert refused.status == 429
        error = refused.json["error"]
        assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
        assert "Limit 2, Used 2, Requested 1. Please try again in 30s." in error["message"]
        assert (refused.header("retry-after"), refused.header("retry-after-ms")) == ("30", "30000")
        assert refused.header("x-ratelimit-remaining-requests") == "0"
        clock.push(29.999)
        assert client.ask(chat()).status == 429
        clock.push(0.001)
        assert client.ask(chat()).content == "three", "what was refused took no turn"
    assert [exchange.status for exchange in server.requests] == [200, 200, 429, 429, 200]


def test_limits_are_of_one_scenario_and_begin_anew_with_a_reset(server: MockServer) -> None:
    server.reply("free", name="free")
    server.reply("hi", name="limited", match={"last_user": "limited"}, rate_limit={"requests_per_minute": 1})
    with RawClient(server) as client:
        assert [client.ask(chat("limited")).status for _ in range(2)] == [200, 429]
        assert client.ask(chat()).status == 200
        server.reset()
        server.reply("hi", name="limited", rate_limit={"requests_per_minute": 1})
        assert client.ask(chat("limited")).status == 200


def test_the_sdk_waits_as_long_as_it_is_told_and_is_served(
    server: MockServer, clock: PushedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply("hi", rate_limit={"requests_per_minute": 7})
    monkeypatch.setattr("time.sleep", clock.push)
    with openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=1) as client:
        for _ in range(9):
            answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
            assert answer.choices[0].message.content == "hi"
    assert [exchange.status for exchange in server.requests] == [200] * 7 + [429, 200] * 2
    assert clock.pushes == pytest.approx([60 / 7, 60 / 7], abs=0.001)
    assert [exchange.retry_count for exchange in server.requests] == [0] * 8 + [1, 0, 1]


def test_the_sdk_does_not_try_again_what_is_too_large_at_any_time(
    server: MockServer, clock: PushedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply("hi", rate_limit={"tokens_per_minute": 50})
    monkeypatch.setattr("time.sleep", clock.push)
    with openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=3) as client:
        with pytest.raises(openai.RateLimitError, match="Request too large for m") as caught:
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hello"}], max_tokens=100, stream=True
            )
        assert caught.value.code == "rate_limit_exceeded"
        assert caught.value.type == "tokens"
    assert (len(server.requests), clock.pushes) == (1, [])


def test_the_sdk_follows_a_redirect_with_its_body(server: MockServer) -> None:
    server.reply("here now", name="there")
    location = {"Location": "/scenarios/there/v1/chat/completions"}
    server.add({"name": "moved", "error": {"status": 307, "headers": location, "body": ""}})
    with openai.OpenAI(base_url=server.scenario_url("moved"), api_key="test", max_retries=0) as client:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}], stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "here now"
    assert [(exchange.scenario, exchange.status) for exchange in server.requests] == [("moved", 307), ("there", 200)]
