# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from collections.abc import Iterator

import pytest

from setup import pages
from tests.harness.fixtures import *


@pytest.fixture(scope="module")
def browser() -> Iterator[pages.Browser]:
    """A browser for all tests of a module."""
    with pages.open_browser() as browser:
        yield browser
