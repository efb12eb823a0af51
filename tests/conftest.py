"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says what else the machine does, not what is wrong.
settings.register_profile("fastnn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fastnn")
