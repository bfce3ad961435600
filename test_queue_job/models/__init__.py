# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from . import queue_job
from . import test_queue_job
from . import test_queue_channel
from . import test_related_action
from . import contact_import
from . import demo
from . import probe
from . import probe_progress
from . import hostile_neighbour
from . import hostile_transaction
from . import hostile_elsewhere
from . import hostile_error
from . import hostile_process
from . import hostile_sleep
from . import hostile_row
from . import hostile
