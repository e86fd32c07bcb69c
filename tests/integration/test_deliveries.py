"""Deliveries over real sockets: what a client that keeps up records is the plan, byte for byte, and ends as the plan says.

Every plan is rendered here a second time, from what the journal says of the request (seed, ordinal) and what the test gave the
server (scenario, clock): so the server has neither added nor kept back anything, and the journal tells the truth.
"""

import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mockserver.cli import main
from mockserver.clock import RealClock
from mockserver.faults import FAULTS
from mockserver.journal import MAX_PLAYED, Exchange
from mockserver.plan import Terms, plan_turn
from mockserver.request import DEFAULT_BODY
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write
from tests.mockserver.delivery_strategies import FAULT_OPTIONS
from tests.support import RawClient, chat, render_request, wait_until

WALL_S = 1_700_000_000.0
CODINGS = "gzip, deflate, br"
STREAM: dict[str, Any] = {"stream_options": {"include_usage": True, "include_obfuscation": False}}
REPLY = {"content": "Hé there", "pieces": ["Hé", " there"]}
"""Its stream has six events: role, two tokens, finish, usage, [DONE]."""

PLAIN = {"name": "plain", "reply": "plain"}
PLAIN_PATH = "/scenarios/plain/v1/chat/completions"
TRANSFERS = ("chunked", "length", "close")
ENDS: dict[type[Step], str] = {Abort: "reset", HalfClose: "half-closed", Hold: "client left (FIN)"}
NOT_ASKED = {"size": 3_000, "count": 20}
"""Options that keep what is large by default small here."""


class SteadyClock(RealClock):
    """The real clock, but it is always the same second."""

    def wall(self) -> float:
        return WALL_S


@pytest.fixture(scope="module")
def one_server() -> Iterator[MockServer]:
    """One server for all: after every fault it answers the next request."""
    with MockServer(PLAIN, strict=True, clock=SteadyClock(), seed=5) as server:
        yield server


@pytest.fixture
def server(one_server: MockServer) -> Iterator[MockServer]:
    """The server, and an empty journal."""
    yield one_server
    one_server.reset()


def render(scenario: Scenario, exchange: Exchange, accept_encoding: str = CODINGS) -> list[Step]:
    """The plan of an exchange, made anew."""
    assert exchange.chat is not None
    keep_alive = exchange.headers.get("connection") != "close"
    terms = Terms(exchange.seed, exchange.ordinal, WALL_S, keep_alive=keep_alive, accept_encoding=accept_encoding)
    return list(plan_turn(scenario.turn(0), exchange.chat, terms))


def data_of(steps: list[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Head | Write))


class Recording:
    """One request of a scenario, recorded to its end and compared with its plan."""

    def __init__(
        self, server: MockServer, scenario: dict[str, Any], body: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        [added] = server.add({"name": "recorded", "reply": REPLY, **scenario})
        self.server = server
        self.client = RawClient(server)
        seen = len(server.requests)
        fields = {"accept-encoding": CODINGS, **(headers or {})}
        asked = chat(**STREAM) if body is None else body
        self.client.send(render_request(asked, path="/scenarios/recorded/v1/chat/completions", headers=fields))
        self.exchange: Exchange = wait_until(lambda: server.requests[seen:], "the request")[0]
        wait_until(lambda: self.exchange.plan is not None, "a plan")
        self.steps = render(added, self.exchange, fields["accept-encoding"])
        self.expected = data_of(self.steps)
        self.last = self.steps[-1]

    def check(self) -> None:
        """Record to the end, and hold bytes, end, journal and the next answer against what was planned."""
        with self.client as client:
            self._record(client)
            assert client.received[: len(self.expected)] == self.expected
            goes_on = isinstance(self.last, End) and not self.last.close
            if goes_on:
                assert client.ask(chat(), path=PLAIN_PATH).content == "plain", (
                    "the same connection serves the next request"
                )
            else:
                assert len(client.received) == len(self.expected)
        self._check_journal()
        with RawClient(self.server) as another:
            assert another.ask(chat(), path=PLAIN_PATH).content == "plain", "the same server does"

    def _record(self, client: RawClient) -> None:
        match self.last:
            case End(close=False):
                self._read_expected(client)
                assert len(client.received) == len(self.expected)
                client.read_answer()  # so that the next one is read from its beginning
            case Hold():
                self._read_expected(client)
                client.socket.settimeout(0.03)
                assert client.read() == b""
                assert client.end == "timeout", "nothing comes, and no end"
                assert self.exchange.ended is None
                client.close()
            case Abort():
                assert client.read_to_end() == "RST"
            case _:
                assert client.read_to_end() == "FIN"
                if isinstance(self.last, HalfClose):
                    assert self.exchange.ended is None, "our side is ended, theirs is still read"
                    client.close()

    def _read_expected(self, client: RawClient) -> None:
        while len(client.received) < len(self.expected) and client.read():
            pass

    def _check_journal(self) -> None:
        exchange = self.exchange
        wait_until(lambda: exchange.ended is not None, "the end of the exchange")
        is_cut = isinstance(self.last, End) and self.last.cut
        assert exchange.ended == ENDS.get(type(self.last), "closed" if is_cut else "complete")
        assert exchange.plan is not None
        total = len(list(exchange.plan))
        assert exchange.steps_played == total - (1 if isinstance(self.last, Hold) else 0)
        assert exchange.bytes_sent == len(self.expected)
        if sys.platform == "linux":
            assert exchange.bytes_acknowledged is not None
            assert exchange.bytes_acknowledged <= len(self.expected)
            if isinstance(self.last, Abort | Hold):
                assert exchange.bytes_acknowledged == len(self.expected)
        if len(exchange.played) < MAX_PLAYED:
            assert sum(played.size for played in exchange.played) == len(self.expected)


def record(server: MockServer, delivery: dict[str, Any], connection: str = "keep-alive", **scenario: Any) -> None:
    """Record one request of a delivery."""
    Recording(server, {"delivery": delivery, **scenario}, headers={"connection": connection}).check()


# Every fault at every place

PLACES: list[Any] = [
    "before_reply", "before_headers", "after_headers", {"before_event": 0}, {"before_event": 2}, {"inside_event": 2},
    {"after_event": 2}, {"inside_event": "finish"}, "after_finish", {"inside_event": "done"}, "after_done", {"after_event": 99},
]  # fmt: skip
EVENTS: list[Any] = [0, 2, "finish", "usage", "done", 99]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "reset": [{}, {"drain": False}],
    "stall": [{}, {"lasts": 0.005}],
    "only": [{"what": what} for what in ("done", "comments", "nothing")],
    "other_body": [{"what": what} for what in ("html", "error", "completion")] + [{"text": ""}],
    "error_event": [{"then": then} for then in ("end", "done", "close", "go_on")] + [{"shape": "unframed"}, {"shape": "named"}],
    "endless": [{"what": what} for what in ("line", "event", "comments", "blank")] + [{"what": "comments", "every": 0.00001}],
    "wrong_length": [{"by": by} for by in (10, -10, -700)],
    "bad_utf8": [{}, {"bytes": "c3"}],
    "after_done": [{}, {"events": ["x"]}],
}  # fmt: skip


def cases() -> Iterator[Any]:
    """Every fault with its variants, at every place or event."""
    for name in FAULTS:
        fixed = {option: NOT_ASKED[option] for option in FAULT_OPTIONS[name] if option in NOT_ASKED}
        key = "at" if "at" in FAULT_OPTIONS[name] else "event" if "event" in FAULT_OPTIONS[name] else None
        spots = [{"at": place} for place in PLACES] if key == "at" else [{"event": e} for e in EVENTS] if key else [{}]
        for variant in VARIANTS.get(name, [{}]):
            for spot in spots:
                fault = {"fault": name, **fixed, **variant, **spot}
                words = [f"{v:g}" if isinstance(v, float) else str(v) for v in (*variant.values(), *spot.values())]
                yield pytest.param(fault, id="-".join([name, *words]).replace(" ", ""))


CASES = list(cases())


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_is_played_as_planned_in_every_framing_with_and_without_keep_alive(
    server: MockServer, fault: dict[str, Any]
) -> None:
    for transfer in TRANSFERS:
        for connection in ("keep-alive", "close"):
            if fault.get("drain") is False:
                continue  # what a reset destroys is not to be told beforehand: see below
            record(server, {"http": {"transfer": transfer}, "faults": [fault]}, connection)


def test_the_faults_tested_are_all_there_are() -> None:
    assert {case.values[0]["fault"] for case in CASES} == FAULTS.keys()
    assert len(CASES) > 200


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_a_reset_without_drain_is_a_reset_and_what_came_is_a_beginning(server: MockServer, transfer: str) -> None:
    fault = {"fault": "reset", "drain": False, "at": {"after_event": 2}}
    recording = Recording(server, {"delivery": {"http": {"transfer": transfer}, "faults": [fault]}})
    with recording.client as client:
        assert client.read_to_end() == "RST"
        assert recording.expected.startswith(client.received)
    wait_until(lambda: recording.exchange.ended == "reset")


@pytest.mark.parametrize("says", [None, "keep-alive", "close"])
@pytest.mark.parametrize("fault", ["close", "reset", "half_close", "wrong_length", "bad_chunk"])
def test_a_scenario_may_say_either_of_the_connection_and_a_cut_ends_it_all_the_same(
    server: MockServer, fault: str, says: str | None
) -> None:
    http = {} if says is None else {"connection": says}
    spot = {} if fault == "wrong_length" else {"at": {"after_event": 1}}
    recording = Recording(server, {"delivery": {"http": http, "faults": [{"fault": fault, **spot}]}})
    recording.check()
    assert f"\r\nConnection: {says or 'keep-alive'}\r\n".encode() in recording.expected


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_of_an_answer_that_is_not_streamed_is_played_as_planned(
    server: MockServer, fault: dict[str, Any]
) -> None:
    if fault.get("drain") is not False:
        Recording(server, {"delivery": {"faults": [fault]}}, body=chat(stream=False)).check()


def test_faults_of_a_redirect_and_of_an_error_are_played_as_planned(server: MockServer) -> None:
    for error in ({"status": 307, "headers": {"Location": "/x"}, "body": ""}, {"status": 500}):
        for fault in ("close", "reset", "half_close"):
            scenario = {
                "reply": None,
                "error": error,
                "delivery": {"faults": [{"fault": fault, "at": {"inside_event": 0}}]},
            }
            Recording(server, scenario).check()


def test_with_a_chance_of_one_half_about_half_of_the_answers_are_cut(server: MockServer) -> None:
    server.add({"name": "chance", "reply": REPLY, "delivery": {"faults": [{"fault": "close", "probability": 0.5}]}})
    seen = len(server.requests)
    ends = []
    for _ in range(60):
        with RawClient(server) as client:
            client.send(
                render_request(chat(), path="/scenarios/chance/v1/chat/completions", headers={"connection": "close"})
            )
            client.read_to_end()
            ends.append(client.received.endswith(b"0\r\n\r\n"))
    assert 15 <= sum(ends) <= 45
    server.add({"name": "chance", "reply": REPLY, "delivery": {"faults": [{"fault": "close", "probability": 0.5}]}})
    for exchange, end in zip(server.requests[seen:], ends, strict=True):
        steps = render(server.scenarios[0], exchange, "")
        assert data_of(steps).endswith(b"0\r\n\r\n") is end, "seed and ordinal alone decide"


# Every framing, coding and way of writing

FRAMINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "crlf": {"line_end": "crlf"},
    "cr": {"line_end": "cr"},
    "mixed": {"line_end": ["lf", "crlf", "cr"], "bom": True},
    "no-space": {"spaces": 0, "final_blank_line": False},
    "lines": {"data_lines": 3, "spaces": 2},
    "extra": {"extra": [{"lines": [": ping", "", "id: {n}", "retry: 5"], "at": "before", "event": "each"},
                        {"lines": ["event: message", "foo"], "at": "first", "event": "each"}]},
}  # fmt: skip
CODED: dict[str, dict[str, Any]] = {
    "identity": {},
    "gzip": {"coding": "gzip"},
    "deflate": {"coding": "deflate"},
    "br": {"coding": "br"},
    "gzip-end": {"coding": "gzip", "flush": "end"},
    "small-chunks": {"chunk_size": 33, "chunk_extension": ";x=1", "trailers": {"X-Sum": "1"}},
}
WRITES: dict[str, dict[str, Any]] = {
    "due": {},
    "event": {"mode": "event"},
    "bytes": {"mode": "bytes", "gap": 0},
    "size": {"mode": "size", "size": 61, "gap": 0},
    "size-of-body": {"mode": "size", "size": 61, "of": "body", "gap": 0},
    "size-of-response": {"mode": "size", "size": 61, "of": "response", "gap": 0},
    "random": {"mode": "random", "size": 90, "gap": 0},
    "offsets": {"mode": "offsets", "offsets": [1, 2, 300, 301, 5000], "gap": 0},
    "cuts": {"mode": "cuts", "cuts": ["utf8", "field", "crlf", "blank_line", "json", "escape"], "gap": 0},
}


@pytest.mark.parametrize("writes", WRITES)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_coding_and_way_of_writing_is_played_as_planned(
    server: MockServer, framing: str, writes: str
) -> None:
    for http in CODED.values():
        for transfer in TRANSFERS:
            delivery = {"framing": FRAMINGS[framing], "http": {**http, "transfer": transfer}, "writes": WRITES[writes]}
            recording = Recording(server, {"delivery": delivery})
            recording.check()
            if writes != "due":
                sent = [len(step.data) for step in recording.steps if isinstance(step, Head | Write) and step.data]
                assert [played.size for played in recording.exchange.played] == sent[:1000], (
                    "a send call for each write"
                )


def mix(number: int) -> tuple[dict[str, Any], str]:
    """One of the many thousand combinations of fault, place, framing, coding, writes, what ends the body and keep-alive."""
    random = Random(f"mixed deliveries {number}")
    fault = random.choice([case.values[0] for case in CASES if case.values[0].get("drain") is not False])
    http = {**random.choice(list(CODED.values())), "transfer": random.choice(TRANSFERS)}
    delivery = {
        "framing": random.choice(list(FRAMINGS.values())),
        "http": http,
        "writes": random.choice(list(WRITES.values())),
        "faults": [fault],
    }
    return delivery, random.choice(["keep-alive", "close"])


@pytest.mark.parametrize("number", range(100))
def test_faults_framings_codings_and_writes_mix(server: MockServer, number: int) -> None:
    delivery, connection = mix(number)
    record(server, delivery, connection)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "http",
    [
        {"status": 299, "headers": {"X-Latin": "naïve", "Date": None, "content-type": None}},
        {"interim": [{}, {"status": 102}]},
        {"version": "1.0"},
        {"version": "1.0", "transfer": "length", "coding": "gzip"},
        {"status": 204},
        {"headers": {"Content-Length": "3"}},
        {"headers": {"Transfer-Encoding": None}},
        {"connection": "close"},
        {"coding": "br", "coding_unasked": True},
    ],
)
def test_the_message_is_as_told_for_each_version_of_http(
    server: MockServer, http: dict[str, Any], version: str
) -> None:
    [scenario] = server.add({"name": "told", "reply": REPLY, "delivery": {"http": http}})
    seen = len(server.requests)
    with RawClient(server) as client:
        client.send(
            render_request(
                chat(), path="/scenarios/told/v1/chat/completions", version=version, headers={"connection": "close"}
            )
        )
        assert client.read_to_end() == "FIN"
    exchange = server.requests[seen]
    assert exchange.chat is not None
    terms = Terms(exchange.seed, exchange.ordinal, WALL_S, http_version=version, keep_alive=False)
    assert client.received == data_of(list(plan_turn(scenario.turn(0), exchange.chat, terms)))


# Where writes end, a reader that waits sees it


PATIENCE = (1, 2, 4, 8, 16)
"""How many times longer all takes at each attempt: a busy machine leaves a reader less time to wait than it is told."""


@pytest.mark.parametrize(
    "writes",
    [
        {"mode": "event"},
        {"mode": "size", "size": 200},
        {"mode": "cuts", "cuts": ["utf8"]},
        {"mode": "offsets", "offsets": [3, 40, 41], "of": "response"},
    ],
)
def test_with_a_gap_a_reader_that_waits_sees_the_borders_of_the_writes(
    server: MockServer, writes: dict[str, Any]
) -> None:
    for patience in PATIENCE:
        delivery = {"writes": {**writes, "gap": f"{12 * patience}ms"}, "http": {"transfer": "close"}}
        recording = Recording(server, {"delivery": delivery})
        with recording.client as client:
            client.read_to_end()
        assert client.received == recording.expected
        borders = [step.data for step in recording.steps if isinstance(step, Head | Write)]
        reads = [read.data for read in client.reads]
        if reads == borders:
            return
    assert list(map(len, reads)) == list(map(len, borders)), "not even at leisure"


def test_due_times_are_kept(server: MockServer) -> None:
    for patience in PATIENCE:
        timing = {
            "ttft": f"{40 * patience}ms",
            "itl": f"{30 * patience}ms",
            "pauses": [{"at": "after_headers", "lasts": f"{20 * patience}ms"}],
            "headers": f"{10 * patience}ms",
        }
        recording = Recording(server, {"timing": timing, "delivery": {"http": {"transfer": "close"}}})
        begun = time.monotonic()
        with recording.client as client:
            client.read_to_end()
        at = [read.at_s - begun for read in client.reads]
        due = sorted({step.due_s for step in recording.steps if isinstance(step, Head | Write)})
        assert due == pytest.approx([0.01 * patience, 0.06 * patience, 0.09 * patience])
        assert all(played.at_s >= played.due_s for played in recording.exchange.played)
        if len(at) == 3 and all(abs(one - other) < 0.02 * patience for one, other in zip(at, due, strict=True)):
            return
    pytest.fail(f"due at {due}, came at {at}")


# Slow readers, endless streams


def test_a_slow_reader_of_64_mebibytes_costs_bounded_memory_and_another_stream_goes_on(server: MockServer) -> None:
    server.add({"name": "endless", "reply": REPLY, "delivery": {"faults": [{"fault": "endless"}]}})
    server.add({"name": "paced", "reply": {"pieces": ["x"] * 50}, "timing": {"itl": "5ms"}})
    seen = len(server.requests)
    with RawClient(server, receive_buffer=32 * 1024) as slow:
        tracemalloc.start()
        try:
            slow.send(render_request(chat(), path="/scenarios/endless/v1/chat/completions"))
            stop = threading.Event()
            reader = threading.Thread(target=read_slowly, args=(slow, stop))
            reader.start()
            with RawClient(server) as other:
                begun = time.monotonic()
                answer = other.ask(chat(), path="/scenarios/paced/v1/chat/completions")
                took_s = time.monotonic() - begun
            stop.set()
            reader.join()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.content == "x" * 50
    assert took_s < 3.0
    assert peak < 8 * 1024 * 1024
    exchange = server.requests[seen]
    wait_until(lambda: exchange.ended is not None)
    assert exchange.ended is not None
    assert exchange.ended.startswith("client left")
    assert exchange.bytes_sent < 64 * 1024 * 1024


def read_slowly(client: RawClient, stop: threading.Event) -> None:
    while not stop.is_set():
        client.socket.recv(4096)
        stop.wait(0.002)


@pytest.mark.parametrize("coding", [{}, {"coding": "gzip"}])
def test_a_fast_reader_gets_all_of_it(server: MockServer, coding: dict[str, Any]) -> None:
    delivery = {"http": {**coding, "transfer": "close"}, "faults": [{"fault": "endless", "size": "64MiB"}]}
    server.add({"name": "endless", "reply": REPLY, "delivery": delivery})
    total = 0
    with RawClient(server) as client:
        client.send(
            render_request(chat(), path="/scenarios/endless/v1/chat/completions", headers={"accept-encoding": "gzip"})
        )
        while data := client.socket.recv(1 << 20):
            total += len(data)
    assert total > (64 * 1024 * 1024 if not coding else 64 * 1024)
    assert server.requests[-1].bytes_sent == total


def test_until_the_client_leaves_is_until_the_client_leaves(server: MockServer) -> None:
    fault = {"fault": "endless", "what": "comments", "size": None, "every": "1ms"}
    server.add({"name": "endless", "reply": REPLY, "delivery": {"faults": [fault]}})
    with RawClient(server) as client:
        client.send(render_request(chat(), path="/scenarios/endless/v1/chat/completions"))
        while client.received.count(b": keep-alive\n\n") < 20:
            assert client.read()
    exchange = server.requests[-1]
    wait_until(lambda: exchange.ended is not None)
    assert exchange.ended in ("client left (FIN)", "client left (RST)")


@pytest.mark.parametrize("transfer", ["chunked", "length"])
def test_a_gzip_bomb_stops_no_other_stream(server: MockServer, transfer: str) -> None:
    delivery = {"http": {"transfer": transfer}, "faults": [{"fault": "gzip_bomb", "size": "512MiB"}]}
    server.add({"name": "bomb", "reply": REPLY, "delivery": delivery})
    server.add({"name": "paced", "reply": {"pieces": ["x"] * 40}, "timing": {"itl": "5ms"}})
    with RawClient(server) as bomb, RawClient(server) as other:
        bomb.send(render_request(chat(), path="/scenarios/bomb/v1/chat/completions"))
        wait_until(lambda: server.requests)
        assert other.ask(chat(), path="/scenarios/paced/v1/chat/completions").content == "x" * 40
        assert server.requests[0].ended is None, "the other came to its end meanwhile"
        bomb.close()


# The journal, where the client leaves


def test_the_journal_tells_how_far_an_answer_came_when_its_client_left(server: MockServer) -> None:
    server.add({"name": "paced", "reply": REPLY, "timing": {"itl": "10s"}})
    with RawClient(server) as client:
        client.send(render_request(chat(**STREAM), path="/scenarios/paced/v1/chat/completions"))
        client.read_until("Hé".encode())
    exchange = server.requests[-1]
    wait_until(lambda: exchange.ended is not None)
    assert exchange.ended == "client left (FIN)"
    assert exchange.plan is not None
    played = list(exchange.plan)[: exchange.steps_played]
    assert data_of(played) == client.received
    assert exchange.bytes_sent == len(client.received)


# What `mockserver show` prints


@pytest.mark.parametrize(
    "delivery", [{}, {"dialect": "azure"}, {"faults": [{"fault": "close", "at": {"after_event": 3}}]}]
)
def test_show_writes_the_very_body_that_the_server_sends(
    delivery: dict[str, Any], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "shown.json"
    file.write_text(json.dumps({"name": "shown", "reply": REPLY, "delivery": delivery}))
    assert main(["show", str(file), "--raw", "--seed", "5"]) == 0
    shown = capsysbinary.readouterr().out
    sent = {"name": "shown", "reply": REPLY, "delivery": {**delivery, "http": {"transfer": "close"}}}
    with MockServer(sent, clock=SteadyClock(), seed=5) as server:
        with RawClient(server) as client:
            client.send(render_request(DEFAULT_BODY))
            assert client.read_to_end() == "FIN"
        assert client.received.partition(b"\r\n\r\n")[2] == shown
