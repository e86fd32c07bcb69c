"""The pytest plugin: the fixtures `mock_openai`, a server for one test, to which the environment points, and `stream_case`, the
conformance suite's cases, each a test of your own code.

pytest loads this file in every run of an environment that has openai-mockserver installed: nothing heavy is imported until
the fixture is used.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mockserver.conformance import StreamCase
    from mockserver.server import MockServer

MARKERS = (
    "mock_openai(*scenarios, **options): what the fixture `mock_openai` gives to its MockServer",
    "stream_cases(*globs, skip=(), classes=(), lacks=(), strict=False): the cases that the fixture `stream_case` plays; what "
    "your code `lacks` (see docs/writing-a-consumer.md) is skipped and not compared; with `strict`, weak fails too",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("mockserver").addoption(
        "--stream-cases",
        action="append",
        default=[],
        metavar="GLOB",
        help="play only cases with such ids to tests that use the fixture stream_case; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def mock_openai(request: pytest.FixtureRequest) -> "Iterator[MockServer]":
    """A `MockServer` for this test; OPENAI_BASE_URL, OPENAI_API_KEY and NO_PROXY point to it until the test ends.

    `@pytest.mark.mock_openai("scenarios.yaml", time_scale=0)` says what the server is made with. Where the test fails, what
    the server was asked stands in the report.
    """
    from mockserver.server import MockServer

    marker = request.node.get_closest_marker("mock_openai")
    server = MockServer(*marker.args, **marker.kwargs) if marker else MockServer()
    with server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the server was asked into the report of a test that failed."""
    report = yield
    server = getattr(item, "funcargs", {}).get("mock_openai")
    if report.failed and report.when == "call" and server is not None:
        from mockserver.access import describe_exchange
        from mockserver.server import MockServer

        if isinstance(server, MockServer):  # a fixture of that name may be the user's own
            lines = [f"{describe_exchange(asked)}; seed {asked.seed}" for asked in server.requests]
            report.sections.append(("mock_openai", "\n".join(lines or ["nothing was asked"])))
    return report


@pytest.fixture
def stream_case(request: pytest.FixtureRequest) -> "Iterator[StreamCase]":
    """A case of the conformance suite, served for this test; a test that uses it is run once for each case.

    What your code made of the stream is judged by `stream_case.judge(got)`, `with stream_case.expecting() as got: …` or
    `stream_case.run(function)`. `@pytest.mark.stream_cases("cut-*", lacks=("n",))` and `--stream-cases GLOB` choose cases.
    """
    from mockserver.conformance import play_case

    case, lacks, strict = request.param
    with play_case(case, lacks, strict) as playing:
        yield playing
        if playing.judged is not None:
            request.node.user_properties.append(("verdict", playing.judged.verdict.name))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses `stream_case` once for each case."""
    if "stream_case" not in metafunc.fixturenames or not _is_ours(metafunc):
        return
    from mockserver.conformance import choose_cases, load_cases

    marker = metafunc.definition.get_closest_marker("stream_cases")
    globs, options = (marker.args, dict(marker.kwargs)) if marker else ((), {})
    lacks, strict = frozenset(options.pop("lacks", ())), options.pop("strict", False)
    wanted = choose_cases(load_cases(), globs, **options)
    chosen = choose_cases(wanted, metafunc.config.getoption("--stream-cases"))
    if not wanted:
        raise pytest.UsageError(
            f"stream_cases: no case has an id like {', '.join(globs)}; see mockserver check --list-cases"
        )
    metafunc.parametrize("stream_case", [(case, lacks, strict) for case in chosen], ids=map(str, chosen), indirect=True)


def _is_ours(metafunc: pytest.Metafunc) -> bool:
    """Whether the fixture of that name is this plugin's, and not the user's own."""
    found = metafunc._arg2fixturedefs.get("stream_case")
    return found is not None and found[-1].func.__module__ == __name__


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that was given a case and had nothing judged would pass whatever its code does."""
    outcome = yield
    playing = pyfuncitem.funcargs.get("stream_case")
    if playing is not None and getattr(playing, "judged", "") is None:
        pytest.fail("stream_case was given nothing to judge: call its judge, expecting or run", pytrace=False)
    return outcome
