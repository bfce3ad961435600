# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""All that is wrong with what a database declares: `odoo queue_job check`."""

from __future__ import annotations

from collections.abc import Iterator

from odoo.api import Environment
from odoo.models import BaseModel

from ..core.former_names import Call
from ..core.states import CANCELLED, DONE, STATES
from ..jobrunner.schedule.channel_config import all_defaults
from ..monitoring.effective_settings import configured_channels
from .channels import Declared, undeclared
from .functions import problems_of, unknown_method
from .problem import Problem

#: The channels of the jobs that have not ended well, or not ended at all.
USED_CHANNELS = """
SELECT DISTINCT channel FROM queue_job
 WHERE state = ANY(%(states)s) AND channel IS NOT NULL
 ORDER BY channel
"""

#: What the jobs call that have not ended well, or not ended at all.
USED_METHODS = """
SELECT model_name, method_name, count(*) FROM queue_job
 WHERE state = ANY(%(states)s) AND model_name IS NOT NULL AND method_name IS NOT NULL
 GROUP BY model_name, method_name ORDER BY model_name, method_name
"""

#: The states of jobs that have not ended well, or not ended at all.
UNFINISHED = [state for state, _label in STATES if state not in (DONE, CANCELLED)]


def channels_of(env: Environment) -> Declared:
    """Return the channels that records and the configuration string declare."""
    rows = env["queue.job.channel"].sudo().search_fetch([], ["complete_name"])
    configured, _error = configured_channels()
    opened = all_defaults(configured)
    # an odd row has no name
    names = {*filter(None, rows.mapped("complete_name")), *configured}
    return Declared(Declared().names | names, frozenset(opened))


def report(env: Environment, functions: BaseModel | None = None) -> Iterator[Problem]:
    """Iterate over the problems of the job functions and of the channels.

    :param env: of the superuser
    :param functions: the job functions to look at, None for all and the channels
    """
    if functions is None:
        yield from _configuration(env)
        functions = env["queue.job.function"].search([], order="name, id")
    for function in functions:
        yield from problems_of(function)


def jobs_in_undeclared_channels(env: Environment) -> Iterator[Problem]:
    """Iterate over the channels of jobs that nobody has declared.

    :param env: of the superuser
    """
    env["queue.job"].flush_model(["channel", "state"])
    declared = channels_of(env)
    env.cr.execute(USED_CHANNELS, {"states": UNFINISHED})
    for (name,) in env.cr.fetchall():
        missing = undeclared(name, declared)
        if missing:
            text = env["queue.job.channel"]._undeclared_text(missing)
            yield Problem("channel", env._("Jobs"), text)


def jobs_of_missing_methods(env: Environment) -> Iterator[Problem]:
    """Iterate over the methods that jobs call and that do not exist any more.

    :param env: of the superuser
    """
    env["queue.job"].flush_model(["model_name", "method_name", "state"])
    functions = env["queue.job.function"]
    env.cr.execute(USED_METHODS, {"states": UNFINISHED})
    for model, method, count in env.cr.fetchall():
        call = Call(model, method)
        missing = unknown_method(env, *functions._renamed().get(call, call))
        if missing:
            text = env._(
                "%(count)s job(s) call %(call)s: %(missing)s If it was renamed, name "
                "it in former_names of its job function. Else cancel the job(s).",
                count=count,
                call=str(call),
                missing=missing,
            )
            yield Problem("job_method", env._("Jobs"), text)


def _configuration(env: Environment) -> Iterator[Problem]:
    """Iterate over the configured channels that look like a misspelt record."""
    configured, error = configured_channels()
    if error:
        yield Problem("configuration", "channels", error)
    rows = env["queue.job.channel"].search([]).mapped("complete_name")
    declared = Declared(frozenset(rows))
    for name in configured:
        missing = undeclared(name, declared)
        # the entries above it are declared by the configuration itself
        if missing and missing.meant and missing.meant not in configured:
            text = env["queue.job.channel"]._undeclared_text(missing)
            yield Problem("configuration", "channels", text)
