"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

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
# `make fuzz`: other examples each time, as many as there is time for; see tests/properties/__main__.py.
settings.register_profile("deep", settings.get_profile("fast"), max_examples=2_000, derandomize=False)
settings.load_profile("fast")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, the only loop that the server knows."""
    return "asyncio"
