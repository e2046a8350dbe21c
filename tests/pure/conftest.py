"""No test asserts on wall-clock time, and so neither does Hypothesis: on a busy machine all of them are slow."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
