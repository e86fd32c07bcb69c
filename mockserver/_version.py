"""The version, read by the build and by `mockserver --version`."""

__version__ = "0.1.0"
