"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine is slow now and then, and that is no failure of what is tested.
settings.register_profile(
    "midfill", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("midfill")
