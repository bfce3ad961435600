# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Let the pure modules of the addons be imported without Odoo.

Their packages' `__init__` files import Odoo models. Empty packages of the same name
and path take their place, so that `from queue_job.states import ...` runs nothing else.
"""

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
