"""Keeps the settings of whoever runs the tests away from them, and from every node they start."""

import os
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Look for `config.toml` where there is none."""
    folder = tempfile.TemporaryDirectory(prefix="aimarket-tests-")
    config.add_cleanup(folder.cleanup)
    os.environ["XDG_CONFIG_HOME"] = folder.name
