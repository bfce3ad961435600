# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import base
from . import ir_model_fields
from . import ir_websocket
from . import queue_job_actions
from . import queue_job_failure_policy
from . import queue_job_declarations
from . import queue_job
from . import queue_job_gate
from . import queue_job_graph
from . import queue_job_attempt
from . import queue_job_channel
from . import queue_job_company
from . import queue_job_dependency
from . import queue_job_function
from . import queue_job_lock
from . import queue_job_progress
from . import queue_job_runner
from . import queue_job_signal
from . import queue_job_statistic
from . import queue_job_times
from . import queue_job_wait
from . import queue_job_waiting_reason
from . import queue_job_arguments
from . import queue_job_dashboard
from . import queue_job_failure
