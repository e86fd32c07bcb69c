"""The load generator: a process of its own, on a core of its own, without an SDK. `python -m benchmarks.load`.

Reads a job (JSON, one line) from its standard input and writes what it found (JSON, one line) to its standard output. It does
as little as it can for each read: it looks at the last bytes, or counts blank lines. `generator.py` starts it.
"""

import asyncio
import resource
import sys
import time
from array import array
from collections.abc import Callable
from itertools import cycle
from typing import Any

import msgspec
import uvloop

from benchmarks.lateness import Lateness, find_drift, percentile, summarise
from benchmarks.streams import EVENTS, Kind, make_requests

END = b"\r\n0\r\n\r\n"
"""How a body in transfer chunks ends. No event and no head of the servers measured holds it."""

EVENT_END = b"\n\n"
READ_BYTES = 256 * 1024
AT_ONCE = 128
"""How many connections are being made at a time."""

CONNECT_S = 20.0
PATIENCE_S = 6.0
"""How long after the last due time an event is still waited for."""

TICK_S = 0.01


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Ask again and again on some connections for some time. With `same_size`, each answer must be as long as the first."""

    port: int
    kind: Kind
    connections: int
    seconds: float
    warm_up_s: float
    same_size: bool = True
    events: int | None = EVENTS


class Answered(msgspec.Struct, frozen=True):
    """What came of `Ask`. `busy` is the share of the time that this process was at work, `wrong` counts wrong answers."""

    streams: int
    seconds: float
    bytes: int
    wrong: int
    busy: float


class Listen(msgspec.Struct, frozen=True, tag="listen"):
    """Ask for some paced streams, the starts spread over some time, and note when each event comes."""

    port: int
    streams: int
    spread_s: float
    schedule: list[float]


class Heard(msgspec.Struct, frozen=True):
    """What came of `Listen`; `own_p99_s` is how late the generator's own timers were."""

    lateness: Lateness | None
    own_p99_s: float
    busy: float


class Hold(msgspec.Struct, frozen=True, tag="hold"):
    """Open streams and keep them, up to each of `steps` in turn; a line is printed at each, and one read before the next."""

    port: int
    steps: list[int]


class Held(msgspec.Struct, frozen=True):
    """So many streams are open, and the first bytes of each have come."""

    streams: int


Job = Ask | Listen | Hold


class Asker(asyncio.BufferedProtocol):
    """One connection of `Ask`; all share one buffer, which is looked at before anything else is read into it."""

    def __init__(self, job: Ask, count: Callable[["Asker", bool], None], buffer: bytearray) -> None:
        self.job = job
        self.count = count
        self.buffer = buffer
        self.size = self.events = self.total = 0
        self.tail = b""
        self.expected: int | None = None
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, request: bytes) -> None:
        self.size = self.events = 0
        self.tail = b""
        self.transport.write(request)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.size += nbytes
        self.total += nbytes
        if self.expected is None:
            before = self.tail[-1:]
            self.events += self.buffer.count(EVENT_END, 0, nbytes) + (before + self.buffer[:1] == EVENT_END)
        self.tail = (self.tail + self.buffer[max(nbytes - len(END), 0) : nbytes])[-len(END) :]
        if self.tail == END:
            self.count(self, self._is_right())

    def _is_right(self) -> bool:
        if self.expected is not None:
            return self.size == self.expected
        right = self.events > 0 if self.job.events is None else self.events == self.job.events
        if right and self.job.same_size:
            self.expected = self.size
        return right

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def ask(job: Ask) -> Answered:
    """Do an `Ask`: a closed loop on every connection."""
    loop = asyncio.get_running_loop()
    requests, buffer = cycle(make_requests(job.kind)), bytearray(READ_BYTES)
    streams = wrong = 0

    def count(asker: Asker, right: bool) -> None:
        nonlocal streams, wrong
        streams += 1
        wrong += not right
        asker.ask(next(requests))

    askers = [
        (await loop.create_connection(lambda: Asker(job, count, buffer), "127.0.0.1", job.port))[1]
        for _ in range(job.connections)
    ]
    for asker in askers:
        asker.ask(next(requests))
    await asyncio.sleep(job.warm_up_s)
    streams_before, bytes_before = streams, sum(asker.total for asker in askers)
    started, busy = time.perf_counter(), Busy()
    gone, _ = await asyncio.wait([asker.done for asker in askers], timeout=job.seconds, return_when="FIRST_COMPLETED")
    seconds = time.perf_counter() - started
    found = sum(asker.total for asker in askers) - bytes_before
    answered = Answered(streams - streams_before, seconds, found, wrong + len(gone), busy.share())
    for asker in askers:
        asker.transport.abort()
    return answered


class Listener(asyncio.Protocol):
    """One connection of `Listen`: notes how late each event is."""

    def __init__(self, schedule: list[float], late: "array[float]") -> None:
        self.schedule = schedule
        self.late = late
        self.arrived = 0
        self.last = b""
        self.first_s = self.last_s = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, request: bytes) -> None:
        self.started = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter() - self.started
        came = data.count(EVENT_END) + (self.last + data[:1] == EVENT_END)
        self.last = data[-1:]
        if not came:
            return
        if not self.arrived:
            self.first_s = now
        for due_s in self.schedule[self.arrived : self.arrived + came]:
            self.late.append(now - due_s)
        self.arrived += came
        if self.arrived >= len(self.schedule):
            self.last_s = now
            self.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def listen(job: Listen) -> Heard:
    """Do a `Listen`. Every connection is made before the first stream is asked for."""
    loop = asyncio.get_running_loop()
    late, schedule = array("d"), job.schedule
    listeners = await connect(job.port, job.streams, lambda: Listener(schedule, late))
    [request] = make_requests("paced")
    began, busy, own = loop.time() + 0.1, Busy(), OwnLateness()
    for number, listener in enumerate(listeners):
        loop.call_at(began + job.spread_s * number / job.streams, listener.ask, request)
    bound_s = 0.1 + job.spread_s + schedule[-1] + PATIENCE_S
    await asyncio.wait([listener.done for listener in listeners], timeout=bound_s)
    share, own_p99_s = busy.share(), own.p99_s()
    planned_s = schedule[-1] - schedule[0]
    drifts = [find_drift(one.first_s, one.last_s, planned_s) for one in listeners if one.last_s and planned_s]
    missing = sum(max(len(schedule) - listener.arrived, 0) for listener in listeners)
    for listener in listeners:
        listener.transport.abort()
    return Heard(summarise(late, drifts, missing), own_p99_s, share)


class Holder(asyncio.Protocol):
    """One connection of `Hold`: asks at once, and is open when something came."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server closed a stream that should stall"))


async def hold(job: Hold) -> None:
    """Do a `Hold`; returns when there is nothing more to read."""
    loop = asyncio.get_running_loop()
    [request] = make_requests("stalled")
    holders: list[Holder] = []
    for step in job.steps:
        opened = await connect(job.port, step - len(holders), lambda: Holder(request))
        holders += opened
        await asyncio.wait_for(asyncio.gather(*(holder.done for holder in opened)), CONNECT_S)
        print(msgspec.json.encode(Held(len(holders))).decode(), flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
    for holder in holders:
        holder.transport.abort()


async def connect(port: int, count: int, make: Callable[[], asyncio.BaseProtocol]) -> list[Any]:
    """So many connections, `AT_ONCE` being made at a time."""
    loop = asyncio.get_running_loop()
    made: list[Any] = []
    while len(made) < count:
        batch = (loop.create_connection(make, "127.0.0.1", port) for _ in range(min(AT_ONCE, count - len(made))))
        made += [protocol for _, protocol in await asyncio.wait_for(asyncio.gather(*batch), CONNECT_S)]
    return made


class Busy:
    """The share of the time, from its making on, that this process is at work."""

    def __init__(self) -> None:
        self._used_s, self._began = time.process_time(), time.perf_counter()

    def share(self) -> float:
        return (time.process_time() - self._used_s) / (time.perf_counter() - self._began)


class OwnLateness:
    """How late this process's own timers are: what it would take for a server's lateness."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: list[float] = []
        self._set()

    def _set(self) -> None:
        self._due = time.perf_counter() + TICK_S
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._late.append(time.perf_counter() - self._due)
        self._set()

    def p99_s(self) -> float:
        """The 99th percentile so far; ends the ticking."""
        self._timer.cancel()
        return percentile(sorted(self._late), 0.99) if self._late else 0.0


async def do(job: Job) -> None:
    """Do a job and print what came of it."""
    match job:
        case Ask():
            print(msgspec.json.encode(await ask(job)).decode(), flush=True)
        case Listen():
            print(msgspec.json.encode(await listen(job)).decode(), flush=True)
        case Hold():
            await hold(job)


def main() -> None:
    """Read a job and do it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 1 << 16)) if hard > 0 else soft, hard))
    uvloop.run(do(msgspec.json.decode(sys.stdin.readline(), type=Job)))


if __name__ == "__main__":
    main()
