# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from . import queue_job_channel_pause
from . import queue_requeue_job
from . import queue_jobs_to_done
from . import queue_jobs_to_cancelled
from . import queue_jobs_to_undo
