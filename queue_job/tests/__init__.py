# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import test_base
from . import test_common
from . import test_deferred
from . import test_delay
from . import test_drain
from . import test_dashboard
from . import test_fields
from . import test_gc
from . import test_insertion
from . import test_job
from . import test_js
from . import test_metrics
from . import test_migrations
from . import test_progress
from . import test_public_names
from . import test_queue_job_channel
from . import test_queue_job_function
from . import test_queue_job_model
from . import test_repository
from . import test_runner_config
from . import test_security
from . import test_server_hooks
from . import test_trap
from . import test_triggers
from . import test_wait_action
from . import test_wizards
