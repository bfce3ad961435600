# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What of the context of records goes into a job.

The keys that the model names (`_job_prepare_context_before_enqueue_keys`), and what the
caller asks for in the context itself: `queue_job_context_keys` names more of them,
`queue_job_keep_context` keeps all whose values can be stored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.values import encode
from .apart import IS_APART

_logger = logging.getLogger(__name__)

KEEP_ALL = "queue_job_keep_context"
MORE_KEYS = "queue_job_context_keys"

#: Said to one call, or to this process: it would change what the job does.
NEVER_KEPT = frozenset(
    {
        KEEP_ALL,
        MORE_KEYS,
        IS_APART,
        "job_uuid",
        "queue_job__no_delay",
        "test_queue_job_no_delay",
        "queue_job_read_as",
        "_job_edit_sentinel",
        "install_mode",
    }
)


def kept(context: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the part of a context that is stored with the records of a job.

    :param context: of the records
    :param keys: those that are always kept
    :raise TypeError: `queue_job_context_keys` are no names
    """
    names = [*keys, *_more_keys(context)]
    found = {name: context[name] for name in names if name in context}
    if context.get(KEEP_ALL):
        others = context.keys() - found.keys() - NEVER_KEPT
        found.update(
            {key: context[key] for key in others if _is_storable(context, key)}
        )
    return found


def _more_keys(context: Mapping[str, Any]) -> list[str]:
    names = context.get(MORE_KEYS) or ()
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in names
    ):
        raise TypeError(
            f"{MORE_KEYS}={names!r} in the context: give a list of names of keys"
        )
    return [name for name in names if name not in NEVER_KEPT]


def _is_storable(context: Mapping[str, Any], key: str) -> bool:
    try:
        encode({key: context[key]})
    except (TypeError, ValueError) as error:
        _logger.debug("the key %s of the context is not kept: %s", key, error)
        return False
    return True
