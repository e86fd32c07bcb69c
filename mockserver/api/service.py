"""What all endpoints share: the scenarios, the memory, the journal, the clock."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Literal

from msgspec import Struct, field

from mockserver.clock import Clock, RealClock
from mockserver.ids import IdGenerator, make_id
from mockserver.journal import Exchange, Journal
from mockserver.limits import tell_limits
from mockserver.matching import Scenarios
from mockserver.meter import Meter
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.request import ChatRequest
from mockserver.scenario import Scenario, Turn
from mockserver.state import State
from mockserver.template import Templates, varies_with_ordinal
from mockserver.tokens import Tokenizer, count_prompt_tokens, split_text

log = logging.getLogger("mockserver")


Headers = tuple[tuple[str, str], ...]

MAX_LATENESS_S = 0.05
"""How late a write may leave before the log tells of it, unless the server was told otherwise."""


class Settings(Struct, frozen=True):
    """What a server was told at its start.

    `models`: the models there are (empty: all). `strict`: a request that no scenario matches gets a 404. `time_scale`
    stretches all pauses; 0 plays them at once. `get_bodies`: what a GET of a scenario's URL asks, by the scenario's name.
    `max_lateness_s`: how late a write may leave before the log tells of it.
    """

    api_key: str | None = None
    models: tuple[str, ...] = ()
    strict: bool = False
    seed: int = 0
    time_scale: float = 1.0
    tokenizer: Tokenizer = split_text
    clock: Clock = field(default_factory=RealClock)
    ids: IdGenerator = make_id
    get_bodies: Mapping[str, bytes] = {}
    max_lateness_s: float = MAX_LATENESS_S


class Asked(Struct, frozen=True):
    """One request as the endpoints see it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    exchange: Exchange
    http_version: str
    keep_alive: bool


class Service:
    """Answers requests: holds the scenarios, what is remembered of past requests, and the journal.

    `defaults` are asked after all `scenarios`; they are the server's own.
    """

    def __init__(
        self, settings: Settings, scenarios: tuple[Scenario, ...] = (), defaults: tuple[Scenario, ...] = ()
    ) -> None:
        self.settings = settings
        self._defaults = defaults
        self.templates = Templates()
        self.scenarios = (*scenarios, *defaults)
        self.state = State()
        self.state.expect(scenarios)
        self.journal = Journal()
        self.meter = Meter(settings.clock, settings.max_lateness_s)
        self.note: Callable[[Exchange], None] | None = None
        """Called with each exchange of the journal that has ended."""

    @property
    def scenarios(self) -> Scenarios:
        """All scenarios, in the order in which they are asked."""
        return self._scenarios

    @scenarios.setter
    def scenarios(self, scenarios: Iterable[Scenario]) -> None:
        self._scenarios = Scenarios(scenarios)
        self.default_names = frozenset(
            one.name for one in self._scenarios if any(one is default for default in self._defaults)
        )
        """The scenarios that nobody gave: why they do not match is of interest to nobody."""
        self.templates.clear()

    def plan(self, turn: Turn, request: ChatRequest, asked: Asked, terms: Terms, repeats: bool) -> Plan:
        """The plan of a turn; kept as a template where the turn `repeats` and only ids and the time would differ."""
        make_plan = partial(plan_turn, turn, request)
        if not repeats or terms.headers:
            return make_plan(terms)
        key = (asked.exchange.scenario, asked.body, request.model, terms.http_version, terms.keep_alive)
        return self.templates.plan(key, make_plan, terms, partial(varies_with_ordinal, turn))

    def meet(self) -> Literal["close", "reset", "stall"] | None:
        """What becomes of a connection that has just been made; None: it is served.

        It has no place in the journal, which tells of requests.
        """
        expected = self.state.next_connection()
        if expected is None:
            return None
        name, on_connect = expected
        log.info("%s: a connection gets %s before any request, as on_connect says", name, on_connect.fault)
        return on_connect.fault

    def charge(self, scenario: Scenario, request: ChatRequest) -> Headers:
        """Count a request against the limits of its scenario: the headers that tell them. Raises `RequestError` (429)."""
        limit = scenario.rate_limit
        if limit is None:
            return ()
        tokens = 0
        if limit.tokens_per_minute is not None:
            tokens = count_prompt_tokens(request, self.settings.tokenizer) + (request.limit or 0) * request.n
        now_s = self.settings.clock.now()
        return tell_limits(self.state.charge(scenario.name, limit, tokens, request.model, now_s), now_s)

    def terms(self, asked: Asked, scenario: Scenario | None = None, headers: Headers = ()) -> Terms:
        """What decides the bytes of this answer, to which `headers` are added; counts the request in."""
        settings, exchange = self.settings, asked.exchange
        fingerprint = _fingerprint(asked)
        name = scenario.name if scenario else "" if exchange.chat else asked.path
        seed = scenario.seed if scenario and scenario.seed is not None else settings.seed
        exchange.seed = f"{seed}/{name}/{fingerprint}"
        exchange.ordinal = self.state.next_ordinal(name, fingerprint)
        return Terms(
            seed=exchange.seed,
            ordinal=exchange.ordinal,
            wall_s=settings.clock.wall(),
            http_version=asked.http_version,
            keep_alive=asked.keep_alive,
            accept_encoding=asked.headers.get("accept-encoding", ""),
            headers=headers,
            ids=settings.ids,
            tokenizer=settings.tokenizer,
        )


def _fingerprint(asked: Asked) -> str:
    """What tells requests apart: all they ask for, but not whether the answer is to be streamed, for it is the same one."""
    chat = asked.exchange.chat
    return blake2b(asked.body, digest_size=8).hexdigest() if chat is None else chat.fingerprint
