"""What every test may ask for: the folder of real music, and one way of drawing random examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

VARIABLE = "WOODSHED_TEST_DATA"

settings.register_profile("here", deadline=None, max_examples=60)
settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_configure() -> None:
    """A folder that is named but missing is a mistake to mend, not a reason to skip."""
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_dir():
        pytest.exit(
            f"{VARIABLE} is {named!r}, which is not a folder; "
            "set it to the folder of real music, or unset it to skip those tests",
            returncode=2,
        )


def pytest_report_header() -> str:
    """Say at the top which music the tests will use."""
    named = os.environ.get(VARIABLE)
    if not named:
        return f"{VARIABLE} is not set: tests on real music are skipped"
    return f"real music from {named}"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real music; without one the test is skipped."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} is not set")
    return Path(named).resolve()
