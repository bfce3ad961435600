# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import test_autodelay
from . import test_dependencies
from . import test_job
from . import test_job_perform
from . import test_locks
from . import test_queue_job_records
from . import test_related_action
from . import test_run_job_controller
from . import test_sample_jobs
from . import test_tracing
from . import test_trap_jobs
