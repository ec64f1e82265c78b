"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A machine that is busy with other things makes no law wrong.
settings.register_profile("tidegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidegate")
