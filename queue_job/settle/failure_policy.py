# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The ways in which users hear of failed jobs."""

from typing import NamedTuple

EACH, DIGEST, NONE = "each", "digest", "none"


class FailurePolicy(NamedTuple):
    """How the failures of a job are told, and to whom.

    Without users it is for `queue.job._subscribe_users_domain` to say who is told.
    """

    notice: str
    user_ids: tuple[int, ...]
