"""Fuzzing a consumer: Hypothesis makes up scenarios, the oracle judges, and a failure is shrunk to the smallest stream.

Needs the extra `strategies`. The search keeps to one verdict: a stream on which the consumer fails is not shrunk into another
on which it hangs. What can be had of a consumer that does not answer the same way twice is told as such.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from mockserver.conformance.adhoc import make_case
from mockserver.conformance.case import Case
from mockserver.conformance.consumer import Hello, Program
from mockserver.conformance.result import Result
from mockserver.conformance.run import Judge, Options, serve_cases
from mockserver.conformance.verdict import BAD
from mockserver.delivery import Delivery
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from mockserver.strategies import as_file, deliveries, faults, replies, scenarios
from mockserver.strategies.replies import json_tools

FAULTS = (
    "truncate", "close", "reset", "half_close", "bad_json", "half_event", "bad_utf8", "duplicate", "drop", "swap",
    "done_suffix", "after_done", "only", "error_event", "other_body", "bad_chunk",
)  # fmt: skip
"""The faults that are played: those that neither take long by nature nor are large."""

TIME_LIMIT_S = 5.0
"""How long one example may take before it counts as a hang; a hang is played many times while it is shrunk."""


@dataclass(frozen=True, slots=True)
class FuzzOptions:
    """How long is searched: `examples`, or `time_s` if that is over first; with `strict`, `weak` is a failure too."""

    examples: int = 100
    seed: int = 0
    time_s: float | None = None
    time_limit_s: float = TIME_LIMIT_S
    strict: bool = False
    with_faults: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A scenario on which the consumer fails. `smallest`: the shrinking was finished; `repeatable`: it failed each time."""

    scenario: Scenario
    result: Result
    smallest: bool = True
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What a search came to: how many examples were played, those of the shrinking included, and what was found."""

    consumer: Hello
    played: int
    found: Found | None = None


class _CaughtError(Exception):
    """The consumer failed: what Hypothesis shrinks."""


class _TimeUpError(BaseException):
    """The time is up: no failure, so that Hypothesis lets it pass."""


@dataclass(slots=True)
class _Search:
    """One search: plays an example, and remembers the failures."""

    play: Callable[[Scenario], Result]
    bad: frozenset[str]
    deadline: float
    on_example: Callable[[Result], None]
    played: int = 0
    failures: list[tuple[Scenario, Result]] = field(default_factory=list)

    def __call__(self, scenario: Scenario) -> None:
        if time.monotonic() > self.deadline:
            raise _TimeUpError
        result = self.play(scenario)
        self.played += 1
        self.on_example(result)
        looked_for = {self.failures[0][1].verdict.name} if self.failures else self.bad
        if result.verdict.name in looked_for:
            self.failures.append((scenario, result))
            raise _CaughtError(result.verdict.name)

    def run(self, made: st.SearchStrategy[Scenario], options: FuzzOptions) -> Found | None:
        search = given(made)(lambda scenario: self(scenario))
        config = settings(
            max_examples=options.examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )
        try:
            seeded(options.seed)(config(search))()
        except _CaughtError:
            return Found(*self.failures[-1])  # Hypothesis plays the smallest one last
        except Flaky:
            return Found(*self._shortest(), repeatable=False)
        except _TimeUpError:
            return Found(*self._shortest(), smallest=False) if self.failures else None
        return None

    def _shortest(self) -> tuple[Scenario, Result]:
        return min(self.failures, key=lambda failure: len(as_file(failure[0])))


def fuzz(
    command: Sequence[str],
    options: FuzzOptions | None = None,
    on_example: Callable[[Result], None] = lambda result: None,
) -> Fuzzed:
    """Search for a scenario on which a consumer's program fails. Raises `UsageError` if it cannot be driven."""
    options = options or FuzzOptions()
    program = Program(command)
    with serve_cases(()) as server:
        try:
            hello = program.start()
            judge = Judge(server, hello, Options(time_limit_s=options.time_limit_s))
            search = _Search(
                play=lambda scenario: judge(program, _serve(server, scenario)),
                bad=frozenset((*BAD, "weak") if options.strict else BAD),
                deadline=time.monotonic() + (options.time_s or float("inf")),
                on_example=on_example,
            )
            found = search.run(make_scenarios(hello.lacks, options.with_faults), options)
        finally:
            program.stop()
    return Fuzzed(hello, search.played, found)


def make_scenarios(lacks: frozenset[str] = frozenset(), with_faults: bool = True) -> st.SearchStrategy[Scenario]:
    """Scenarios that a consumer can be asked to understand that lacks some abilities; half of them with one fault."""
    tools = None if "tools" in lacks else json_tools
    meant = replies(tools, None, max_choices=1 if "n" in lacks else 3)
    if "parallel_tools" in lacks:
        meant = meant.filter(lambda reply: all(len(one.tool_calls) < 2 for one in reply.choices or (reply,)))
    legal: st.SearchStrategy[Delivery] = deliveries(paced=False)
    broken = deliveries(faults(FAULTS), paced=False, max_faults=1)
    return scenarios(meant, legal | broken if with_faults else legal, name="fuzz")


def _serve(server: MockServer, scenario: Scenario) -> Case:
    """Serve a scenario as if it were the first that is ever asked of the server, and return it as a case."""
    case = make_case(scenario, "made up by mockserver fuzz")
    server.reset()
    server.add(case.as_scenario())
    return case
