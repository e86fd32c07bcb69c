"""MockServer: a server in a thread, on a free port, as a context manager."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.types import ASGIApp

from mockserver.api import Service, Settings, make_app
from mockserver.clock import Clock, RealClock
from mockserver.errors import StartError, UsageError
from mockserver.ids import IdGenerator, make_id
from mockserver.journal import Exchange
from mockserver.loading import load_scenarios
from mockserver.loop import LoopServer, listen, new_event_loop
from mockserver.scenario import Scenario
from mockserver.tokens import Tokenizer, load_tokenizer

DEFAULTS = Path(__file__).parent / "defaults"
"""The scenarios that a server has without being told: OpenAI's streaming guide."""

START_BOUND_S = 10.0

ScenarioLike = Scenario | Mapping[str, Any]


class MockServer:
    """A local server that speaks OpenAI's chat-completions stream as its scenarios say.

    >>> with MockServer() as server:
    ...     server.reply("Hello there")
    ...     client = openai.OpenAI(base_url=server.base_url, api_key="test")

    `scenarios` are files, folders, `Scenario` objects or mappings that say what a file would. It listens on a free port of
    `host` unless told otherwise. `time_scale` stretches all pauses (0: none). With `strict`, a request that no scenario
    matches gets a 404. `clock`, `ids`, `seed` decide everything that varies: the same ones give the same bytes.

    Raises `ScenarioError` for a wrong scenario, `StartError` where it cannot listen.
    """

    def __init__(
        self,
        *scenarios: str | Path | ScenarioLike,
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
    ) -> None:
        if time_scale < 0:
            raise UsageError(f"time_scale: expected 0 or more, got {time_scale}")
        given, known_models = _collect(scenarios)
        settings = Settings(
            api_key=api_key,
            models=(*models, *known_models),
            strict=strict,
            seed=seed,
            time_scale=time_scale,
            tokenizer=load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer,
            clock=clock or RealClock(),
            ids=ids,
        )
        defaults = () if strict else _load_defaults()
        self._given = (*given, *(scenario for scenario in defaults if scenario.name not in {s.name for s in given}))
        self._service = Service(settings, self._given)
        self._host = host
        self._port = port
        self._runner = _Runner(make_app(self._service))
        self._count = 0

    def start(self) -> Self:
        """Listen and serve in a thread of its own; ready when this returns."""
        if self._runner.running:
            raise UsageError("the server is running already")
        listener = listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._runner.start(listener)
        return self

    def stop(self) -> None:
        """Cut what is still being played and leave nothing behind: no thread, no socket."""
        self._runner.stop()

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
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def base_url(self) -> str:
        """What an SDK wants as `base_url`: the root and `/v1`."""
        return f"{self.url}/v1"

    def scenario_url(self, name: str) -> str:
        """A base URL under which every request gets the scenario `name`."""
        return f"{self.url}/scenarios/{name}/v1"

    def reply(self, content: str | None = None, *, name: str | None = None, **scenario: Any) -> Scenario:
        """Answer from now on with a text, or with what the keywords say; the newest such scenario is asked first.

        The keywords are those of a scenario (`match`, `timing`, `delivery`, `seed`) and of a reply (`tool_calls`,
        `finish_reason`, `usage`, …), written as in a scenario file.
        """
        self._count += 1
        values: dict[str, Any] = {"name": name or f"reply-{self._count}"}
        for key in ("description", "match", "error", "sequence", "timing", "delivery", "seed"):
            if key in scenario:
                values[key] = scenario.pop(key)
        if content is not None:
            scenario["content"] = content
        if scenario:
            values["reply"] = scenario
        [added] = self.add(values)
        return added

    def add(self, *scenarios: ScenarioLike) -> list[Scenario]:
        """Put scenarios before all others; one of the same name takes the other's place. Raises `ScenarioError`."""
        added = [Scenario.of(scenario) for scenario in scenarios]
        names = {scenario.name for scenario in added}
        self._service.scenarios = (*added, *(s for s in self._service.scenarios if s.name not in names))
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
        self._service.state.clear()
        self._service.journal.clear()
        self._count = 0


class _Runner:
    """Runs an app in a loop in a thread of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: LoopServer | None = None
        self._failure: BaseException | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self, listener: socket.socket) -> None:
        started = threading.Event()
        self._failure = None
        self._server = LoopServer(self._app, listener, on_started=started.set)
        serve = self._server.run_until_stopped
        self._thread = threading.Thread(target=self._run, args=(serve, started), name="mockserver", daemon=True)
        self._thread.start()
        if not started.wait(START_BOUND_S) or self._failure is not None:
            self.stop()
            raise StartError(f"the server did not start: {self._failure or 'it took too long'}") from self._failure

    def _run(self, serve: Callable[[], Awaitable[None]], started: threading.Event) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(serve())  # type: ignore[arg-type]
            except BaseException as error:
                self._failure = error
            finally:
                started.set()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._server is None:
            return
        if thread.is_alive() and not self._loop.is_closed():
            with suppress(RuntimeError):  # it closed by itself in this very moment
                self._loop.call_soon_threadsafe(self._server.stop)
        thread.join()
        self._loop = self._server = None


def _collect(given: Iterable[str | Path | ScenarioLike]) -> tuple[list[Scenario], tuple[str, ...]]:
    scenarios: list[Scenario] = []
    models: tuple[str, ...] = ()
    for one in given:
        if isinstance(one, str | Path):
            file = load_scenarios([one])
            scenarios += file.scenarios
            models += file.models
        else:
            scenarios.append(Scenario.of(one))
    return scenarios, models


def _load_defaults() -> tuple[Scenario, ...]:
    return load_scenarios([DEFAULTS]).scenarios
