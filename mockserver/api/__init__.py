"""The HTTP face: which path does what. Every answer, errors included, is a plan that is played."""

from mockserver.api.app import make_app
from mockserver.api.service import Service, Settings

__all__ = ["Service", "Settings", "make_app"]
