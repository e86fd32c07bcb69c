"""One line for each request."""

import pytest

from mockserver.access import WHY_CHARACTERS, describe_exchange, make_noted_app
from mockserver.address import server_url
from mockserver.clock import JumpClock
from mockserver.journal import MAX_PLAYED, Exchange
from mockserver.loop import LoopThread, listen
from mockserver.request import parse_request
from mockserver.server import MockServer, build_service
from tests.support import RawClient, chat, render_request, wait_until


def exchange(**said: object) -> Exchange:
    made = Exchange(1, 0.0, "POST", "/v1/chat/completions", {})
    for name, value in said.items():
        setattr(made, name, value)
    return made


STREAM = parse_request(b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": true}')


def test_a_line_says_what_was_asked_who_answered_and_why_the_status_the_end_the_bytes_and_the_time() -> None:
    made = exchange(
        chat=STREAM, scenario="paced", why="first match", status=200, ended="complete", bytes_sent=1234, ended_s=0.25
    )
    assert describe_exchange(made) == (
        "POST /v1/chat/completions (gpt-4o, stream) -> 200 by paced (first match): complete, 1,234 bytes in 0.250 s"
    )


def test_the_time_is_that_of_the_whole_answer_also_where_not_all_its_writes_are_kept() -> None:
    tokens = MAX_PLAYED + 501
    scenario = {"name": "long", "reply": {"pieces": ["a"] * tokens}, "timing": {"itl": "1ms"}}
    with MockServer(scenario, clock=JumpClock()) as server, RawClient(server) as client:
        assert client.ask(chat()).content == "a" * tokens
        [made] = server.requests
        wait_until(lambda: made.ended_s)
    assert describe_exchange(made).endswith(" in 1.500 s")


def test_what_no_scenario_answered_is_said_with_every_reason() -> None:
    why = "; ".join(f"scenario-{k}: expected a model like 'x', got 'gpt-4o'" for k in range(5))
    made = exchange(chat=STREAM, why=why, status=200, ended="complete")
    assert f"-> 200 by no scenario ({why}): complete" in describe_exchange(made)


def test_a_long_reason_is_cut_where_a_scenario_answered() -> None:
    line = describe_exchange(exchange(chat=STREAM, scenario="paced", why="first\nmatch; " + "x" * 500, status=200))
    assert "\n" not in line
    why = line[line.index("(first") + 1 : line.rindex(")")]
    assert why.endswith("…")
    assert len(why) == WHY_CHARACTERS


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"status": 400, "why": "no model", "ended": "complete"}, "-> 400 (no model): complete, 0 bytes in 0.000 s"),
        ({"status": 0, "ended": "client left (FIN)"}, "-> no answer: client left (FIN), 0 bytes in 0.000 s"),
        ({"chat": STREAM, "status": 404, "why": "w"}, "(gpt-4o, stream) -> 404 (w): being played, 0 bytes in 0.000 s"),
        ({"status": 503, "scenario": "busy", "ended": "complete"}, "-> 503 by busy: complete, 0 bytes in 0.000 s"),
    ],
)
def test_what_is_not_there_is_not_said(said: dict[str, object], line: str) -> None:
    assert describe_exchange(exchange(**said)) == f"POST /v1/chat/completions {line}"


def test_a_pipelined_request_outside_the_journal_does_not_note_the_one_before_again() -> None:
    noted: list[Exchange] = []
    listener = listen("127.0.0.1", 0)
    thread = LoopThread(make_noted_app(build_service(), noted.append), listener)
    try:
        with RawClient(server_url(*listener.getsockname()[:2])) as client:
            health = render_request(method="GET", path="/healthz")
            client.send(render_request(method="GET", path="/v1/models") + health + health)
            assert [client.read_answer().status for _ in range(3)] == [200, 200, 200]
    finally:
        thread.stop()
    assert [asked.path for asked in noted] == ["/v1/models"]


def test_every_exchange_of_the_journal_is_noted_once_it_has_ended() -> None:
    noted: list[Exchange] = []
    service = build_service([{"name": "slow", "reply": "a b", "timing": {"itl": "1h"}, "match": {"last_user": "slow"}}])
    listener = listen("127.0.0.1", 0)
    url = server_url(*listener.getsockname()[:2])
    thread = LoopThread(make_noted_app(service, noted.append), listener)
    try:
        with RawClient(url) as client:
            client.ask(method="GET", path="/healthz")  # not in the journal
            client.ask(chat("What's 1+1? Answer in one word.", stream=False))
            client.ask({"model": "m"})
        with RawClient(url) as client:
            client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\ncontent-length: 9\r\n\r\n")
            client.end_writing()
            client.read_to_end()
        wait_until(lambda: len(noted) == 3)
        with RawClient(url) as client:
            client.send(render_request(chat("slow")))
            client.read_until(b'"a"')
            assert [asked.ended for asked in noted] == ["complete", "complete", "client left (FIN)"]
            thread.stop()
    finally:
        thread.stop()
    assert [asked.status for asked in noted] == [200, 400, 0, 200]
    assert noted[-1].ended in ("client left (stopped)", "stopped")
    assert noted == list(service.journal)


def test_where_nobody_can_read_the_journal_only_what_is_being_answered_is_kept() -> None:
    noted: list[Exchange] = []
    service = build_service()
    listener = listen("127.0.0.1", 0)
    thread = LoopThread(make_noted_app(service, noted.append, keep=1), listener)
    try:
        with RawClient(server_url(*listener.getsockname()[:2])) as client:
            for _ in range(3):
                assert client.ask(chat()).status == 200
        wait_until(lambda: len(noted) == 3)
    finally:
        thread.stop()
    assert list(service.journal) == noted[-1:]
