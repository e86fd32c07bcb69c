"""The bound on what may take how long: everything played to a reader stands on it."""

import threading

import pytest

from tests.properties import playing
from tests.properties.playing import call_bounded


def test_what_never_returns_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "PATIENCE_S", 0.05)
    release = threading.Event()

    def hang() -> None:
        release.wait()

    try:
        with pytest.raises(pytest.fail.Exception, match=r"hung: expected hang to return within 0\.05 s"):
            call_bounded(hang)
        [thread] = [thread for thread in threading.enumerate() if thread.name == "bounded-hang"]
    finally:
        release.set()
    thread.join()


def test_what_returns_or_raises_does_so_here() -> None:
    assert call_bounded(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        call_bounded(divmod, 7, 0)
