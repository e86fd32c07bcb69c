"""One server and one HTTP client for all examples of a module."""

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from client import open_http
from mockserver.server import MockServer


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(strict=True) as server:
        yield server


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    """The reference client's connections, kept from example to example: what one leaves behind shows in the next."""
    with open_http() as http:
        yield http


@pytest.fixture(scope="module")
def sdk_http() -> Iterator[Any]:
    """The SDK's connections: an older one takes clients of httpx alone."""
    with openai.DefaultHttpxClient(trust_env=False) as http:
        yield http
