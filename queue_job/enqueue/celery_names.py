# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Options of Celery's tasks as options of a job, for the types of deferred calls.

===================  ===============================================================
`time_limit`,        `timeout`: the shorter of them, for a job is first interrupted
`soft_time_limit`    and then ended
`retry=False`        `max_retries=1`: there is no second attempt
`link`               calls that run when this one is done (`on_done`)
`link_error`         calls that run when it has failed (`on_failed`)
===================  ===============================================================

`countdown`, `eta`, `expires`, `max_retries`, `priority` and `ignore_result` are options
of a job already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIMITS = ("time_limit", "soft_time_limit")
#: name -> the method of a delayable by which its calls follow
LINKS = {"link": "on_done", "link_error": "on_failed"}


def translated(
    given: Mapping[str, Any],
) -> tuple[dict[str, Any], list[tuple[str, tuple[Any, ...]]]]:
    """Return the options of a job, and the calls that are to follow it.

    >>> translated({"time_limit": 600, "soft_time_limit": 595, "retry": True})
    ({'timeout': 595}, [])
    >>> translated({"retry": False, "link": "a call"})
    ({'max_retries': 1}, [('on_done', ('a call',))])

    :param given: options of both kinds; None stands for an option that is not given
    :return: (options, [(method of a delayable, calls)])
    :raise ValueError: two of them say the same in different ways
    """
    options = {
        name: value
        for name, value in given.items()
        if name not in (*LIMITS, *LINKS, "retry")
    }
    limits = [given[name] for name in LIMITS if given.get(name) is not None]
    if limits:
        _refuse_both("time_limit", "timeout", options)
        options["timeout"] = min(limits)
    if given.get("retry") is False:
        _refuse_both("retry=False", "max_retries", options)
        options["max_retries"] = 1
    links = [
        (method, tuple(calls) if isinstance(calls, list | tuple) else (calls,))
        for name, method in LINKS.items()
        if (calls := given.get(name)) is not None
    ]
    return options, links


def _refuse_both(name: str, own: str, options: Mapping[str, Any]) -> None:
    if options.get(own) is not None:
        raise ValueError(f"{name} and {own} say the same: give one of them.")
