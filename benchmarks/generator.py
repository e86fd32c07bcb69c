"""Starts the load generator on its own core, and asks whether it was up to its job."""

import msgspec

from benchmarks.children import BenchmarkError, python, run
from benchmarks.load import CONNECT_S, PATIENCE_S, Answered, Ask, Heard, Job, Listen
from benchmarks.machine import load_core, read_cpu_s, server_core
from benchmarks.servers import Server

FULL = 0.95
"""The share of a core above which somebody has no time left."""

SLACK_S = 15.0


def ask(job: Ask, server: Server) -> tuple[Answered, float | None]:
    """What came of an `Ask`, and the share of its core that the server used; None where the system does not tell."""
    before = read_cpu_s(server.pid)
    answered = msgspec.json.decode(_run(job, job.warm_up_s + job.seconds), type=Answered)
    after = read_cpu_s(server.pid)
    if answered.wrong:
        raise BenchmarkError(f"{server.name} gave {answered.wrong} wrong answers or left")
    if not answered.streams:
        raise BenchmarkError(f"{server.name} gave no answer within {job.seconds:.1f} s")
    used = None if before is None or after is None else (after - before) / (job.warm_up_s + job.seconds)
    return answered, used


def listen(job: Listen) -> Heard:
    """What came of a `Listen`."""
    return msgspec.json.decode(_run(job, job.spread_s + job.schedule[-1] + PATIENCE_S), type=Heard)


def _run(job: Job, needs_s: float) -> str:
    bound_s = needs_s + CONNECT_S + SLACK_S
    return run(python("benchmarks.load"), bound_s, load_core(), msgspec.json.encode(job).decode() + "\n")


def doubt_speed(busy: float, used: float | None) -> str | None:
    """Why a speed may be the load generator's and not the server's; None where it is the server's."""
    if server_core() is None:
        return "one core for server and load generator: the figure is that of both"
    if busy < FULL or (used is not None and used >= FULL - 0.05):
        return None
    return f"the load generator had no time left ({busy:.0%} busy): the server can do more than this"


def doubt_lateness(heard: Heard) -> str | None:
    """Why a lateness may be the load generator's and not the server's; None where it is the server's."""
    if heard.lateness is None:
        return "no event came"
    if server_core() is None:
        return "one core for server and load generator: the lateness is that of both"
    if heard.busy >= FULL or heard.own_p99_s > max(0.002, heard.lateness.p99_s / 2):
        own_ms = heard.own_p99_s * 1000
        return f"the load generator was {heard.busy:.0%} busy and itself late, {own_ms:.1f} ms at its p99"
    return None
