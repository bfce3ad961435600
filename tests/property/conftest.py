# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A database with the addon, for all tests of the directory."""

import pytest

from setup import database as databases
from tests.harness.fixtures import stack

__all__ = ["stack"]


@pytest.fixture(scope="session")
def database_name(stack):
    with databases.temporary(stack.templates.app(), "queue_job_property") as name:
        yield name
