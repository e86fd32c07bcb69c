"""What all tests share."""

import pytest

# The project's own plugin is loaded here and not by its entry point (see addopts): coverage would begin too late to see it.
pytest_plugins = ["pytester", "mockserver.pytest_plugin"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, the only loop that the server knows."""
    return "asyncio"
