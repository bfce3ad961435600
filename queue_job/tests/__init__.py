# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import test_base
from . import test_common
from . import test_delay
from . import test_fields
from . import test_gc
from . import test_job
from . import test_migrations
from . import test_queue_job_channel
from . import test_queue_job_function
from . import test_queue_job_model
from . import test_repository
from . import test_security
from . import test_triggers
from . import test_wizards
from . import test_runner_config
from . import test_server_hooks
