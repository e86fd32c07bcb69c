"""The pytest plugin: the fixture `mock_openai`, a server for one test, to which the environment points.

pytest loads this file in every run of an environment that has openai-mockserver installed: nothing heavy is imported until
the fixture is used.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mockserver.server import MockServer

MARKER = "mock_openai(*scenarios, **options): what the fixture `mock_openai` gives to its MockServer"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


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
