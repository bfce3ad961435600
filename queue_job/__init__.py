# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Job queue for Odoo: any method of any model becomes a background job.

The folders follow the life of a job; `docs/architecture.md` is the map.
"""

import sys

from . import fields
from . import models
from . import wizards
from . import controllers
from . import jobrunner
from .core import events
from .enqueue import deferred as jobs
from .job import identity_exact
from .post_init_hook import post_init_hook, uninstall_hook

# Other addons import these modules under the names that they have in the documentation.
sys.modules.update({f"{__name__}.events": events, f"{__name__}.jobs": jobs})
