# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The tree of channels, under the name by which other code knows it.

The classes are in :mod:`.schedule`; the runner uses them by the names of this module.
"""

from ..core.states import (  # noqa: F401 (public here)
    CANCELLED,
    DONE,
    ENQUEUED,
    FAILED,
    PENDING,
    STARTED,
    WAIT_DEPENDENCIES,
)
from ..exception import ChannelNotFound  # noqa: F401
from .schedule.channel import Channel  # noqa: F401
from .schedule.channel_config import split_strip  # noqa: F401
from .schedule.channel_manager import NOT_DONE, ChannelManager  # noqa: F401
from .schedule.channel_queue import (  # noqa: F401
    ChannelJob,
    ChannelQueue,
    JobSortingKey,
)
from .schedule.priority_queue import PriorityQueue  # noqa: F401
