"""The DDTAs operator: digital-twin apps, calibrated and validated for each city that installs them."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ddtas")
except PackageNotFoundError:  # running from a source tree that was never installed
    __version__ = "0+unknown"
