"""The DDTAs operator: digital-twin apps, calibrated and validated for each city that installs them."""

__version__ = "0.1.0"
