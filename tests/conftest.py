"""Keeps the settings of whoever runs the tests away from them, and judges laws by no clock."""

import os
import tempfile

import pytest
from hypothesis import settings

# How fast something is stands in `bench/`; a law does not fail because the machine was busy.
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")


def pytest_configure(config: pytest.Config) -> None:
    """Look for `config.toml` where there is none."""
    folder = tempfile.TemporaryDirectory(prefix="aimarket-tests-")
    config.add_cleanup(folder.cleanup)
    os.environ["XDG_CONFIG_HOME"] = folder.name
