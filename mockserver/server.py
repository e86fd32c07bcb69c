"""MockServer: a server in a thread, on a free port, as a context manager; and what it shares with `mockserver serve`."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from msgspec.structs import replace

from mockserver.address import client_environment, server_url
from mockserver.api import Service, Settings, make_app
from mockserver.api.endpoint import MakePlan
from mockserver.api.service import MAX_LATENESS_S
from mockserver.clock import Clock, RealClock
from mockserver.errors import Problem, ScenarioError, UsageError
from mockserver.ids import IdGenerator, make_id
from mockserver.journal import Exchange
from mockserver.loading import load_scenarios, read_scenario
from mockserver.loop import LoopThread, listen
from mockserver.reply import Reply
from mockserver.scenario import Scenario
from mockserver.shorthand import Duration
from mockserver.tokens import Tokenizer, load_tokenizer

DEFAULTS = Path(__file__).parent / "defaults"
"""The scenarios that a server has without being told: OpenAI's streaming guide."""

_OF_SCENARIO = frozenset(Scenario.__struct_fields__) - {"name", "reply"}
_KEYWORDS = _OF_SCENARIO | frozenset(Reply.__struct_fields__)

ScenarioLike = Scenario | Mapping[str, Any]
Source = str | Path | ScenarioLike
"""Where scenarios come from: a file, a folder, a `Scenario`, or a mapping that says what a file would."""


def build_service(
    sources: Iterable[Source] = (),
    *,
    api_key: str | None = None,
    models: Iterable[str] = (),
    strict: bool = False,
    seed: int = 0,
    time_scale: float = 1.0,
    tokenizer: str | Tokenizer = "approximate",
    clock: Clock | None = None,
    ids: IdGenerator = make_id,
    get_bodies: Mapping[str, bytes] | None = None,
    max_lateness: float | str = MAX_LATENESS_S,
) -> Service:
    """What answers the requests of a server: the scenarios of `sources`, then, unless `strict`, those of OpenAI's guide.

    The keywords are those of `MockServer`. Raises `ScenarioError` for a wrong scenario, `UsageError` for a wrong argument.
    """
    if not 0 <= time_scale < math.inf:
        raise UsageError(f"time_scale: expected 0 or more, got {time_scale}")
    if api_key == "":
        raise UsageError("api_key: expected a key that is not empty; leave it out where any will do")
    if isinstance(models, str):
        raise UsageError(f"models: expected a list of names, got the text {models!r}")
    given, known_models = _collect(sources)
    settings = Settings(
        api_key=api_key,
        models=(*models, *known_models),
        strict=strict,
        seed=seed,
        time_scale=time_scale,
        tokenizer=load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer,
        clock=clock or RealClock(),
        ids=ids,
        get_bodies=get_bodies or {},
        max_lateness_s=read_max_lateness(max_lateness),
    )
    defaults = () if strict else load_scenarios([DEFAULTS]).scenarios
    names = {scenario.name for scenario in given}
    return Service(settings, tuple(given), tuple(scenario for scenario in defaults if scenario.name not in names))


def read_max_lateness(told: float | str) -> float:
    """The limit of lateness in seconds, from a number of them or a duration such as `50ms`. Raises `UsageError`."""
    try:
        return float(Duration.decode(told))
    except ValueError as error:
        raise UsageError(f"max_lateness: {error}") from None


class MockServer:
    """A local server that speaks OpenAI's chat-completions stream as its scenarios say.

    >>> with MockServer() as server:
    ...     server.reply("Hello there")
    ...     client = openai.OpenAI(base_url=server.base_url, api_key="test")

    `scenarios` are files, folders, `Scenario` objects or mappings that say what a file would. It listens on a free port of
    `host` unless told otherwise. `time_scale` stretches all pauses (0: none). With `strict`, a request that no scenario
    matches gets a 404. `clock`, `ids`, `seed` decide everything that varies: the same ones give the same bytes.
    `get_bodies` says what a GET of a scenario's URL asks, by the scenario's name; `endpoints` are paths of your own.
    A write more than `max_lateness` late (seconds, or such as `50ms`) is told in the log: the machine is too busy for tests of
    timeouts.

    Raises `ScenarioError` for a wrong scenario, `UsageError` for another wrong argument, `StartError` where it cannot listen.
    """

    def __init__(
        self,
        *scenarios: Source,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        models: Iterable[str] = (),
        strict: bool = False,
        seed: int = 0,
        time_scale: float = 1.0,
        tokenizer: str | Tokenizer = "approximate",
        clock: Clock | None = None,
        ids: IdGenerator = make_id,
        get_bodies: Mapping[str, bytes] | None = None,
        max_lateness: float | str = MAX_LATENESS_S,
        endpoints: Mapping[str, MakePlan] | None = None,
    ) -> None:
        self._service = build_service(
            scenarios,
            api_key=api_key,
            models=models,
            strict=strict,
            seed=seed,
            time_scale=time_scale,
            tokenizer=tokenizer,
            clock=clock,
            ids=ids,
            get_bodies=get_bodies,
            max_lateness=max_lateness,
        )
        self._endpoints = endpoints
        self._given = self._service.scenarios
        self._settings = self._service.settings
        self._host = host
        self._port = port
        self._thread: LoopThread | None = None
        self._count = 0

    def start(self) -> Self:
        """Listen and serve in a thread of its own; ready when this returns."""
        if self._thread is not None:
            raise UsageError("the server is running already")
        listener = listen(self._host, self._port)
        self._thread = LoopThread(make_app(self._service, self._endpoints), listener, self._service.meet)
        self._port = listener.getsockname()[1]
        return self

    def stop(self) -> None:
        """Cut what is still being played and leave nothing behind: no thread, no socket."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def url(self) -> str:
        """The server's root, such as `http://127.0.0.1:49152`."""
        if not self._port:
            raise UsageError("the server has no port yet: start it first, or use it in a with statement")
        return server_url(self._host, self._port)

    @property
    def base_url(self) -> str:
        """What an SDK wants as `base_url`: the root and `/v1`."""
        return f"{self.url}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a client to this server, for a child process or a test: see `client_environment`."""
        return client_environment(self.base_url, self._settings.api_key)

    def scenario_url(self, name: str) -> str:
        """A base URL under which every request gets the scenario `name`."""
        return f"{self.url}/scenarios/{quote(name, safe='')}/v1"

    def reply(self, content: str | None = None, *, name: str | None = None, **scenario: Any) -> Scenario:
        """Answer from now on with a text, or with what the keywords say; the newest such scenario is asked first.

        The keywords are those of a scenario (`match`, `timing`, `delivery`, `seed`, …) and of a reply (`tool_calls`,
        `finish_reason`, `usage`, …), written as in a scenario file. Raises `ScenarioError`.
        """
        unknown = [
            Problem(f"unknown keyword {key!r}", key, remedy=_guess(key)) for key in scenario if key not in _KEYWORDS
        ]
        if unknown:
            raise ScenarioError(unknown)
        self._count += 1
        reply = {key: value for key, value in scenario.items() if key not in _OF_SCENARIO}
        if content is not None:
            reply["content"] = content
        values = {key: value for key, value in scenario.items() if key in _OF_SCENARIO}
        [added] = self.add({"name": name or f"reply-{self._count}", **values, **({"reply": reply} if reply else {})})
        return added

    def add(self, *scenarios: Source) -> list[Scenario]:
        """Put scenarios before all others; one of the same name takes the other's place, and starts anew.

        Raises `ScenarioError`.
        """
        added, models = _collect(scenarios)
        names = {scenario.name for scenario in added}
        service = self._service
        service.settings = replace(service.settings, models=(*service.settings.models, *models))
        service.scenarios = (*added, *(s for s in service.scenarios if s.name not in names))
        service.state.renew(names)
        service.state.expect(added)
        return added

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """All scenarios, in the order in which they are asked."""
        return self._service.scenarios

    @property
    def requests(self) -> list[Exchange]:
        """What was asked so far, oldest first: body, headers, which scenario answered and why, what was played."""
        return list(self._service.journal)

    def reset(self) -> None:
        """Forget all requests and everything added since the server was made."""
        self._service.scenarios = self._given
        self._service.settings = self._settings
        self._service.state.clear()
        self._service.state.expect(self._given)
        self._service.journal.clear()
        self._count = 0


def _guess(keyword: str) -> str | None:
    near = get_close_matches(keyword, _KEYWORDS, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def _collect(given: Iterable[Source]) -> tuple[list[Scenario], tuple[str, ...]]:
    scenarios: list[Scenario] = []
    models: tuple[str, ...] = ()
    for one in given:
        if isinstance(one, str | Path):
            file = load_scenarios([one])
            scenarios += file.scenarios
            models += file.models
        elif isinstance(one, Scenario | Mapping):
            scenarios.append(read_scenario(one))
        else:
            raise UsageError(f"expected a file, a folder, a Scenario or a mapping, got {one!r}")
    return scenarios, models
