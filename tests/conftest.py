# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Let the pure modules of the addons be imported without Odoo.

Their packages' `__init__` files import Odoo models. Empty packages of the same name
and path take their place, so that `from queue_job.core.states import ...` runs nothing
else.

``--full`` (which is what ``make chaos`` gives) runs the tests that are marked ``long``
as well.
"""

import signal
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _stub_package(name: str) -> None:
    package = types.ModuleType(name)
    package.__path__ = [str(ROOT.joinpath(*name.split(".")))]
    sys.modules.setdefault(name, package)


for _name in ("queue_job", "queue_job.jobrunner"):
    _stub_package(_name)


def pytest_addoption(parser) -> None:
    parser.addoption("--full", action="store_true", help="run long tests as well")


def pytest_configure(config) -> None:
    # whoever stops us wants the servers and the cluster stopped, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "long: runs with --full only")
    config.addinivalue_line("markers", "alone: measures what others would add to")


def pytest_collection_modifyitems(config, items) -> None:
    if config.getoption("--full"):
        return
    chosen = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=[i for i in items if i not in chosen])
    items[:] = chosen
