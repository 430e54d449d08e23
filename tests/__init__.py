"""The tests. They are the same at every run: hypothesis draws the same examples, and nobody's clock is looked at."""

from hypothesis import settings

settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")
