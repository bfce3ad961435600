# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The ways in which users are notified of failed jobs."""

from typing import NamedTuple

EACH, DIGEST, NONE = "each", "digest", "none"


class FailurePolicy(NamedTuple):
    """How users are notified of the failures of a job, and which ones.

    :param notice: `EACH`, `DIGEST` or `NONE`
    :param user_ids: ids of the users; without any, those of
        `queue.job._subscribe_users_domain`
    """

    notice: str
    user_ids: tuple[int, ...]
