"""Where a server is reached, and the environment variables that tell a client so."""

import os

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
"""The names by which this machine reaches itself."""

DEFAULT_KEY = "test"
"""What a client may send as its key where the server wants none in particular: SDKs refuse to start without one."""


def server_url(host: str, port: int) -> str:
    """The root under which this machine reaches a server that listens on `host`; every address is reached on its own."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def client_environment(base_url: str, api_key: str | None = None) -> dict[str, str]:
    """The variables that point OpenAI's SDKs, and what is built on them, to a server.

    OPENAI_BASE_URL and OPENAI_API_KEY; and NO_PROXY, in both its spellings, which adds this machine to what it says now, so
    that no proxy stands between.
    """
    environment = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": api_key or DEFAULT_KEY}
    for name in ("NO_PROXY", "no_proxy"):
        # Where both spellings are set, the lower one counts for most clients; one that is not set inherits the other's.
        said = os.environ.get(name) or os.environ.get(name.swapcase(), "")
        environment[name] = ",".join(dict.fromkeys([*filter(None, said.split(",")), *LOCAL_HOSTS]))
    return environment


def is_local(address: str) -> bool:
    """Whether only this machine reaches an address or a name of `LOCAL_HOSTS`."""
    if address in LOCAL_HOSTS:
        return True
    import ipaddress  # off the path to the first answer

    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
