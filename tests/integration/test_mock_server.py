"""MockServer as its users see it: starting and stopping, telling it what to answer, asking it what was asked."""

import asyncio
import gc
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver import loop as loop_module
from mockserver.clock import JumpClock
from mockserver.errors import ScenarioError, StartError, UsageError
from mockserver.ids import make_id
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.request import parse_request
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from mockserver.steps import Head, Step
from mockserver.transport import LendingProtocol
from tests.mockserver.strategies_local import replies, requests
from tests.support import AnswerCutError, RawClient, chat, held, open_descriptors, render_request, wait_until

STALL = {"faults": [{"fault": "stall", "at": {"after_event": 1}}]}


def ask(server: MockServer, content: str = "hello", **headers: str) -> str:
    with RawClient(server) as client:
        return client.ask(chat(content), **headers).content


# Starting and stopping


def count_held() -> tuple[int, int]:
    """How many threads and descriptors there are."""
    return threading.active_count(), open_descriptors()


@pytest.fixture
def held_before() -> tuple[int, int]:
    """The same before a test: without garbage, and with what the first server of a process makes to be kept, as libuv's pipe."""
    with MockServer(strict=True):
        pass
    gc.collect()
    return count_held()


@pytest.mark.parametrize("new_loop", [loop_module.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_hundred_servers_in_one_process_leave_nothing_behind(
    new_loop: Callable[[], Any], held_before: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "new_event_loop", new_loop)
    for number in range(100):
        with MockServer(strict=True) as server:
            server.reply(f"this is {number}")
            if number % 10 == 0:
                assert ask(server) == f"this is {number}"
    assert count_held() == held_before


def test_a_hundred_servers_at_the_same_time_have_a_port_each(held_before: tuple[int, int]) -> None:
    servers = [MockServer(strict=True).start() for _ in range(100)]
    assert len({server.url for server in servers}) == 100
    for number, server in enumerate(servers):
        server.reply(f"this is {number}")
    assert ask(servers[7]) == "this is 7"
    for server in servers:
        server.stop()
    assert count_held() == held_before


WAITING: dict[str, tuple[dict[str, Any], bytes]] = {
    "paced": ({"content": "a b c", "timing": {"itl": "1h"}}, render_request(chat())),
    "stalled": ({"content": "a b c", "delivery": STALL}, render_request(chat())),
    "blocked": ({"pieces": ["x" * 65_000] * 300}, render_request(chat())),
    "pipelined": ({"content": "a b c", "delivery": STALL}, render_request(chat()) * 3),
    "still asking": ({"content": "a b c"}, render_request(chat())[:-1]),
    "idle": ({"content": "a b c"}, b""),
}


@pytest.mark.parametrize("what", WAITING)
def test_a_server_stops_at_once_with_streams_open_and_leaves_nothing(
    any_loop_server: MockServer, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, (reply, request) = any_loop_server, WAITING[what]
    server.reply(**reply)
    clients = [RawClient(server, receive_buffer=4096) for _ in range(5)]
    descriptors = open_descriptors()
    for client in clients:
        client.send(request)
    wait_until(lambda: held(server) == (5, 5 if request else 0))
    assert server._thread is not None
    state = server._thread._server.server_state
    took_s = time.monotonic()
    server.stop()
    took_s = time.monotonic() - took_s
    assert took_s < 1, "no stream is waited for"
    assert (state.connections, state.tasks) == (set(), set())
    assert not any(thread.name == "mockserver" for thread in threading.enumerate())
    assert open_descriptors() < descriptors
    assert [exchange.ended for exchange in server.requests] == ["stopped"] * (5 if request else 0)
    for client in clients:
        assert client.read_to_end() in ("FIN", "RST")
        client.close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("new_loop", [loop_module.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_clients_that_come_while_a_server_stops_leave_nothing(
    new_loop: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "new_event_loop", new_loop)
    with MockServer(strict=True):
        pass  # what is made once and kept
    descriptors = open_descriptors()
    request = render_request(chat())
    for _ in range(60):
        with MockServer(strict=True) as server:
            for _ in range(3):
                client = RawClient(server)
                client.send(request)
                client.reset()
    gc.collect()  # what was not closed complains now
    assert open_descriptors() == descriptors


def test_a_taken_port_is_a_start_error_with_the_address_and_the_remedy(server: MockServer) -> None:
    port = int(server.url.rpartition(":")[2])
    descriptors = open_descriptors()
    with pytest.raises(
        StartError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use; another port"
    ):
        MockServer(port=port).start()
    with pytest.raises(StartError, match=r"cannot listen on nowhere\.invalid:0"):
        MockServer(host="nowhere.invalid").start()
    assert open_descriptors() == descriptors


def test_a_server_can_be_started_again_on_the_same_port_and_remembers() -> None:
    server = MockServer(strict=True)
    with pytest.raises(UsageError, match="no port yet"):
        _ = server.url
    server.reply("hello")
    with server:
        url = server.url
        assert ask(server) == "hello"
        with pytest.raises(UsageError, match="is running already"):
            server.start()
    with server:
        assert server.url == url
        assert ask(server) == "hello"
    server.stop()
    server.stop()
    assert len(server.requests) == 2


def test_stopping_frees_the_port_at_once() -> None:
    with MockServer(strict=True) as first:
        port = int(first.url.rpartition(":")[2])
        with RawClient(first):
            wait_until(lambda: held(first) == (1, 0))
    with MockServer(port=port, strict=True) as second:
        second.reply("hello")
        assert ask(second) == "hello"


@pytest.mark.anyio
async def test_it_is_an_async_context_manager_too() -> None:
    async with MockServer(strict=True) as server:
        server.reply("hello")
        assert await asyncio.to_thread(ask, server) == "hello"
        assert any(thread.name == "mockserver" for thread in threading.enumerate())
    assert not any(thread.name == "mockserver" for thread in threading.enumerate())


# What it answers


def test_the_newest_reply_comes_first_and_reset_forgets_all_that_was_added() -> None:
    with MockServer({"name": "given", "reply": "as given"}, strict=True) as server:
        assert ask(server) == "as given"
        server.reply("newer", match={"last_user": "special"})
        server.reply("newest", match={"last_user": {"contains": "spec"}})
        assert [ask(server, "special"), ask(server, "hello")] == ["newest", "as given"]
        assert [exchange.scenario for exchange in server.requests] == ["given", "reply-2", "given"]
        server.reset()
        assert server.requests == []
        assert [scenario.name for scenario in server.scenarios] == ["given"]
        assert ask(server, "special") == "as given"
        assert server.reply("again").name == "reply-1"


def test_reset_starts_sequences_and_counters_anew() -> None:
    flaky = {"name": "flaky", "sequence": [{"reply": "first"}, {"reply": "then"}]}
    with MockServer(flaky, strict=True) as server:
        rounds = []
        for _ in range(2):
            with RawClient(server) as client:
                raw = [client.ask(chat(), date="x").raw for _ in range(2)]
            rounds.append([re.sub(rb"\r\n(Date|\"created\"): .*", b"", each.split(b"\r\n\r\n", 1)[1]) for each in raw])
            server.reset()
        assert b'"content":"first"' in rounds[0][0]
        assert b'"content":"then"' in rounds[0][1]
        ids = [[re.findall(rb'"id":"(chatcmpl-\w+)"', each)[0] for each in one] for one in rounds]
        assert ids[0] == ids[1]
        assert ids[0][0] != ids[0][1]


def test_a_scenario_of_the_same_name_takes_the_others_place(server: MockServer) -> None:
    server.add({"name": "one", "reply": "old"}, {"name": "two", "match": {"last_user": "two"}, "reply": "2"})
    server.add(Scenario(name="one", reply="new"))
    assert [scenario.name for scenario in server.scenarios] == ["one", "two"]
    assert ask(server) == "new"


def test_a_wrong_scenario_in_code_is_told_at_its_place(server: MockServer) -> None:
    with pytest.raises(ScenarioError, match=r"timing\.itl"):
        server.reply("x", timing={"itl": "fast"})
    with pytest.raises(ScenarioError):
        server.add({"name": "x", "reply": {"contents": "typo"}})
    assert server.scenarios == ()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"timming": {"ttft": 1}}, "timming: unknown keyword 'timming' (did you mean 'timing'?)"),
        ({"contents": "x"}, "contents: unknown keyword 'contents' (did you mean 'content'?)"),
        ({"whatever": "x"}, "whatever: unknown keyword 'whatever'"),
        ({"timing": {"tftt": 1}}, "timing.tftt: unknown key 'tftt' (did you mean 'ttft'?)"),
        ({"delivery": {"faults": [{"fault": "stal"}]}}, "delivery.faults[0].fault: expected one of"),
        ({"seed": object()}, "seed: Expected `int | null`, got `object`"),
    ],
)
def test_a_mistake_in_code_is_told_with_its_remedy_as_in_a_file(
    server: MockServer, said: dict[str, Any], told: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        server.reply("x", **said)
    assert str(caught.value).startswith(told)
    assert server.scenarios == ()


def test_all_mistakes_of_a_scenario_in_code_are_told(server: MockServer) -> None:
    with pytest.raises(ScenarioError) as caught:
        server.add({"name": "x", "repl": "x", "seed": "7", "timing": {"itl": "fast"}})
    assert sorted((problem.place, problem.line, problem.file) for problem in caught.value.problems) == [
        ("repl", None, None),
        ("seed", None, None),
        ("timing.itl", None, None),
    ]


def test_only_scenarios_of_ones_own_are_told_not_to_match() -> None:
    whys = []
    with MockServer() as server:
        for add in ({"name": "mine"}, {"name": "count-to-100"}, None):
            if add is not None:
                server.add(add | {"match": {"model": "o1"}, "reply": "x"})
            else:
                server.reset()
            ask(server)
            whys.append(re.findall(r"[\w-]+(?=: expected)", server.requests[-1].why))
    assert whys == [["mine"], ["count-to-100", "mine"], []]


def test_scenarios_by_url_header_and_model(server: MockServer) -> None:
    server.reply("the first match")
    server.reply("chosen", name="chosen", match={"model": "nothing"})
    with RawClient(server) as client:
        path = server.scenario_url("chosen").removeprefix(server.url) + "/chat/completions"
        assert client.ask(chat(), path=path).content == "chosen"
        assert client.ask(chat(), x_mock_scenario="chosen").content == "chosen"
        assert client.ask(chat(model="chosen")).content == "chosen"
        assert client.ask(chat()).content == "the first match"
    whys = [exchange.why for exchange in server.requests]
    assert [why.partition(";")[0] for why in whys] == [
        "named by the path", "named by the header x-mock-scenario", "named by the model", "first match",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["p%41", "%", "a+b", "a&b=c", "été", "Привет", '"quoted"', "a;b"])
def test_any_name_that_a_scenario_may_have_can_be_named_by_its_url(server: MockServer, name: str) -> None:
    server.reply("chosen", name=name, match={"model": "nothing"})
    with RawClient(server) as client:
        path = server.scenario_url(name).removeprefix(server.url) + "/chat/completions"
        assert client.ask(chat(), path=path).content == "chosen"


@pytest.mark.parametrize(
    ("name", "encoding"), [("été", "utf-8"), ("Привет", "utf-8"), ("été", "latin-1"), ("p%41", "utf-8")]
)
def test_a_name_in_the_header_may_be_utf_8_or_latin_1(server: MockServer, name: str, encoding: str) -> None:
    server.reply("chosen", name=name, match={"model": "nothing"})
    with RawClient(server) as client:
        assert client.ask(chat(), x_mock_scenario=name.encode(encoding).decode("latin-1")).content == "chosen"
        unknown = client.ask(chat(), x_mock_scenario=f"{name}?".encode(encoding).decode("latin-1")).json
        assert unknown["error"]["message"].startswith(
            f"The scenario {f'{name}?'!r}, named by the header x-mock-scenario, does"
        )


def test_without_a_scenario_it_answers_and_streamed_or_not_the_answer_is_the_same() -> None:
    with MockServer() as server, RawClient(server) as client:
        whole = client.ask(chat("Why is the sky blue?", stream=False)).content
        assert whole
        assert client.ask(chat("Why is the sky blue?")).content == whole
        assert client.ask(chat("Why is the sky blue?"), path="/openai/v1/chat/completions").content == whole
        assert [exchange.scenario for exchange in server.requests] == [None] * 3


def test_the_journal_tells_what_was_asked_and_what_was_played() -> None:
    with MockServer(strict=True, clock=JumpClock()) as server:
        server.reply("a b", timing={"ttft": "5s", "itl": "5s"})
        with RawClient(server) as client:
            answer = client.ask(chat("hello", temperature=0.5), x_stainless_retry_count="2", x_mine="yes")
        wait_until(lambda: server.requests[0].ended)
    [exchange] = server.requests
    assert (exchange.method, exchange.path, exchange.status) == ("POST", "/v1/chat/completions", 200)
    assert exchange.body == chat("hello", temperature=0.5)
    assert exchange.headers["x-mine"] == "yes"
    assert exchange.retry_count == 2
    assert (exchange.scenario, exchange.why, exchange.ended) == ("reply-1", "first match", "complete")
    assert exchange.bytes_sent == len(answer.raw) == sum(played.size for played in exchange.played)
    assert [(played.due_s, played.at_s) for played in exchange.played] == [(5.0, 5.0), (10.0, 10.0)]
    assert exchange.received_at == JumpClock().wall()


def test_time_scale_0_plays_all_pauses_at_once() -> None:
    with MockServer(strict=True, time_scale=0) as server:
        server.reply("a b c", timing={"ttft": "1h", "itl": "1h"})
        assert ask(server) == "a b c"
        wait_until(lambda: server.requests[0].ended)
        assert len(server.requests[0].played) == 1


def test_a_wrong_body_is_in_the_journal_too(server: MockServer) -> None:
    with RawClient(server) as client:
        client.ask(b"{nonsense")
        client.ask(chat(n=0))
        client.ask(chat(), path="/v1/nothing")
        client.ask(bytes(LendingProtocol.max_body_bytes + 1))
    unread, refused, lost, large = server.requests
    assert (unread.raw_body, unread.status, unread.chat, unread.body) == (b"{nonsense", 400, None, {})
    assert "byte 1" in unread.why, "what the client is not told, because OpenAI does not, the log tells"
    assert (refused.status, refused.chat, refused.body) == (400, None, chat(n=0))
    assert (lost.status, lost.body) == (404, chat())
    assert (large.status, large.body) == (413, {})


def test_a_scenario_that_takes_anothers_place_starts_anew(server: MockServer) -> None:
    def flaky(first: str) -> dict[str, Any]:
        return {"name": "flaky", "sequence": [{"reply": first}, {"reply": "then"}]}

    server.add(flaky("first"))
    assert [ask(server), ask(server)] == ["first", "then"]
    server.add(flaky("first again"))
    assert [ask(server), ask(server)] == ["first again", "then"]
    server.add({"name": "flaky", "match": {"nth": 1}, "reply": "once"})
    assert ask(server) == "once"
    assert [exchange.ordinal for exchange in server.requests] == list(range(5)), "but no two answers have the same id"


# Determinism


PLAYED: list[dict[str, Any]] = [
    {"name": "streamed", "reply": "one two three", "timing": {"itl": {"uniform": ["1ms", "9ms"]}}},
    {"name": "tools", "reply": {"tool_calls": [{"name": "f", "arguments": {"a": 1}}]}},
    {"name": "failing", "error": {"status": 500}},
    {"name": "cut", "reply": "one two three", "delivery": {"writes": {"mode": "random", "size": 40}}},
]


def record(seed: int, ids: Callable[[str, str], str] = make_id) -> list[tuple[bytes, list[tuple[float, float, int]]]]:
    """The bytes and the due times of one server's answers to the same requests."""
    found = []
    with MockServer(*PLAYED, seed=seed, clock=JumpClock(), ids=ids) as server:
        with RawClient(server) as client:
            for name in ("streamed", "streamed", "tools", "failing", "cut", "anything else"):
                for stream in (True, False):
                    body = chat("What now?", model=name, stream=stream, logprobs=True, top_logprobs=2, n=2)
                    found.append(client.ask(body).raw)
            found.append(client.ask(None, "GET", "/v1/models").raw)
            wait_until(lambda: all(exchange.ended for exchange in server.requests))
        times = [[(p.due_s, round(p.at_s, 9), p.size) for p in exchange.played] for exchange in server.requests]
    return list(zip(found, times, strict=True))


def test_the_same_seed_clock_and_ids_give_the_same_bytes_at_the_same_times() -> None:
    assert record(7) == record(7)


def test_another_seed_gives_other_bytes_and_times() -> None:
    one, other = record(7), record(8)
    assert one[0][0] != other[0][0]
    assert [due_s for due_s, _, _ in one[0][1]] != [due_s for due_s, _, _ in other[0][1]]


def test_ids_come_from_the_generator_that_was_given() -> None:
    [(stream, _), *_] = record(7, ids=lambda prefix, key: f"{prefix}mine")
    assert b'"id":"chatcmpl-mine"' in stream
    assert b"x-request-id: req_mine" in stream


def test_a_repeated_request_is_another_one_and_told_apart(server: MockServer) -> None:
    server.reply("hello")
    with RawClient(server) as client:
        ids = [client.ask(chat(stream=False)).json["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert [exchange.ordinal for exchange in server.requests] == [0, 1, 2]


@given(replies(), requests(), st.integers(0, 3))
def test_a_plan_iterated_twice_is_the_same_and_its_due_times_never_decrease(
    reply: Any, request: Any, ordinal: int
) -> None:
    scenario = Scenario.of(
        {"name": "any", "reply": "", "timing": {"ttft": [0, "9ms"], "itl": {"normal": ["5ms", "5ms"]}}}
    )
    scenario = Scenario(name="any", reply=reply, timing=scenario.timing)
    plan = plan_turn(scenario.turn(0), request, Terms(seed="7", ordinal=ordinal))
    first: list[Step] = list(plan)
    assert list(plan) == first
    due = [step.due_s for step in first]
    assert due == sorted(due)


def test_plans_of_default_answers_iterate_twice_too() -> None:
    request = parse_request(b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}], "stream": true}')
    plan = plan_turn(Scenario(name="any").turn(0), request, Terms())
    assert list(plan) == list(plan)


# Browsers


def test_a_browser_may_ask_from_any_origin(server: MockServer) -> None:
    server.reply("hello")
    with RawClient(server) as client:
        preflight = client.ask(
            None,
            "OPTIONS",
            origin="http://localhost:5173",
            access_control_request_method="POST",
            access_control_request_headers="authorization,content-type,x-stainless-lang,x-stainless-retry-count",
            access_control_request_private_network="true",
        )
        assert preflight.status == 200
        assert preflight.header("access-control-allow-origin") == "*"
        assert "POST" in (preflight.header("access-control-allow-methods") or "")
        assert preflight.header("access-control-allow-headers") == (
            "authorization,content-type,x-stainless-lang,x-stainless-retry-count"
        )
        assert preflight.header("access-control-allow-private-network") == "true"
        assert int(preflight.header("access-control-max-age") or 0) > 0
        for answer in (
            client.ask(chat(), origin="http://localhost:5173"),
            client.ask(b"{", origin="http://localhost:5173"),
            client.ask(None, "GET", "/v1/models", origin="http://localhost:5173"),
            client.ask(None, "GET", "/nowhere", origin="http://localhost:5173"),
        ):
            assert answer.header("access-control-allow-origin") == "*"
            assert answer.header("access-control-expose-headers") == "*"
    assert [exchange.method for exchange in server.requests] == ["POST", "POST", "GET", "GET"], (
        "preflights are not counted"
    )


# Many at once


def test_several_threads_may_ask_and_tell_at_once(server: MockServer) -> None:
    server.reply("a b c", timing={"itl": "1ms"})

    def work(number: int) -> None:
        server.reply(f"this is {number}", name=f"number-{number}", match={"last_user": f"ask {number}"})
        for _ in range(5):
            assert ask(server, f"ask {number}") == f"this is {number}"
            assert ask(server, "anybody") == "a b c"
            assert len(server.requests) > 0

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert len(server.requests) == 160
    assert len({exchange.number for exchange in server.requests}) == 160
    wait_until(lambda: held(server) == (0, 0))


def test_two_servers_do_not_know_of_each_other() -> None:
    with MockServer(strict=True) as one, MockServer(strict=True) as other:
        one.reply("one")
        other.reply("other")
        assert [ask(one), ask(other)] == ["one", "other"]
        assert len(one.requests) == len(other.requests) == 1


def test_a_stream_that_is_open_when_the_server_stops_is_cut_and_not_ended() -> None:
    with MockServer(strict=True) as server:
        server.reply("a b c", delivery=STALL)
        client = RawClient(server)
        client.send(render_request(chat()))
        client.read_until(b'"content":"a"')
    with client, pytest.raises(AnswerCutError):
        client.read_answer()
    assert b"0\r\n\r\n" not in client.received


# Bugs of our own


def test_a_bug_is_told_in_the_log_and_to_the_client_without_its_traceback(
    server: MockServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("in the plan")

    server.reply("hello")
    with RawClient(server) as client:
        with monkeypatch.context() as patch:
            patch.setattr("mockserver.api.service.plan_turn", fail)
            answer = client.ask(chat())
        assert answer.status == 500
        assert answer.json["error"]["type"] == "server_error"
        assert b"in the plan" not in answer.raw
        assert "ZeroDivisionError: in the plan" in caplog.text
        assert client.ask(chat()).content == "hello", "the connection goes on"


def test_a_bug_that_shows_while_the_answer_is_being_played_cuts_it(
    server: MockServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_later(*_: object) -> Plan:
        def steps() -> Iterator[Step]:
            yield Head(0.0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", alone=True)
            raise ZeroDivisionError("in a step")

        return Plan(200, steps)

    server.reply("hello")
    with RawClient(server) as client:
        with monkeypatch.context() as patch:
            patch.setattr("mockserver.api.service.plan_turn", fail_later)
            client.send(render_request(chat()))
            assert client.read_to_end() == "FIN"
        assert client.received.endswith(b"\r\n\r\n"), "nothing is put into the answer"
    assert [exchange.ended for exchange in server.requests] == ["failed"]
    assert "ZeroDivisionError: in a step" in caplog.text
    assert ask(server) == "hello"
