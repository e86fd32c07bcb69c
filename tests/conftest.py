"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

# The project's own plugin is loaded here and not by its entry point (see addopts): coverage would begin too late to see it.
pytest_plugins = ["pytester", "mockserver.pytest_plugin"]

# Neither deadlines nor a check for slow examples: how long one takes says more of the machine than of the code. In CI the
# examples are the same each time, so that a submission fails by its own doing; elsewhere they vary, and find more from day to day.
settings.register_profile(
    "fast",
    max_examples=20,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make fuzz` (tests/properties/__main__.py): other examples each time, kept wherever it runs, and made small without tracing
# every line; and of what was found before, only that.
settings.register_profile(
    "deep",
    settings.get_profile("fast"),
    max_examples=100,
    derandomize=False,
    database=DirectoryBasedExampleDatabase(Path(__file__).parents[1] / ".hypothesis" / "examples"),
    phases=set(Phase) - {Phase.explain},
)
settings.register_profile("brief", settings.get_profile("deep"), max_examples=20)
settings.register_profile("found", settings.get_profile("deep"), phases=[Phase.explicit, Phase.reuse])
settings.load_profile("fast")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, the only loop that the server knows."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every property the seed of `make fuzz`: given one as an option, Hypothesis would keep nothing of what it finds."""
    if told := os.environ.get("FUZZ_SEED"):
        for item in items:
            if isinstance(item, pytest.Function) and item.get_closest_marker("hypothesis"):
                seed(int(told))(item.obj)
