# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When rows of `queue.job` may be written by SQL instead of the ORM.

Plain SQL is several times faster, and skips whatever other addons hang on the model.
So it is used only when nothing hangs there:

- the first class which defines `create` (or `write`) is one of this addon: no other
  addon overrides it, and nothing is patched onto the class (automation rules, audit
  logs and tests do that);
- no stored field is computed from the columns of a job, no column of another addon has
  a default, and no other addon redefines a field of ours, constrains a job or lists
  jobs by one of its columns.

What is not stored hinders nothing: `caches` takes care of it.

The followers and the message of a failed job are written by SQL under the same
conditions (`allows_chatter`). There the methods of Odoo itself count as ours: they have
nothing to do for a message that notifies nobody.

The second part is worked out once for each set-up of the registry, the first part at
every call: patches come and go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from odoo.api import Environment
from odoo.models import BaseModel
from odoo.modules.registry import Registry

_ADDON = "odoo.addons.queue_job."
#: Of Odoo: what it hangs on messages does nothing where nobody is notified.
_OF_ODOO = ("mail", "rating", "sms", "portal", "account", "snailmail", "im_livechat")
_MAIL = (
    "odoo.orm.models",
    _ADDON,
    *(f"odoo.addons.{name}." for name in _OF_ODOO),
)
#: model -> the methods by which it lets users follow a record, and posts there
CHATTER = {
    "queue.job": (
        "message_post",
        "message_subscribe",
        "_message_subscribe",
        "_message_create",
        "_message_post_after_hook",
        "_notify_thread",
    ),
    "mail.message": ("create",),
    "mail.followers": ("create", "_insert_followers"),
}
#: What we count or draw over many jobs, so that no field it depends on can tell of it.
OVERVIEWS = {
    "queue.job": ("dependency_graph", "graph_jobs_count", "held_by"),
    "queue.job.channel": ("running_count", "waiting_count", "oldest_wait"),
}
#: Attribute of the registry: (what each set-up replaces, the findings for it).
_FINDINGS = "_queue_job_findings"


class Findings(NamedTuple):
    """What is hung on the model of jobs, in one set-up of the registry."""

    #: Other addons derive something from the columns of a job.
    is_extended: bool
    #: The fields of a job, what is computed from them in any model, and overviews.
    derived: frozenset[Any]
    overviews: tuple[Any, ...]
    #: Names of the fields of a job from which stored fields are computed.
    stored_from: frozenset[str]
    #: Other addons derive something from messages or followers.
    chatter_is_extended: bool


def allows(env: Environment, method: str) -> bool:
    """Return whether SQL may take the place of a method of `queue.job`.

    :param method: "create" or "write"
    """
    registry = env.registry
    return is_own_method(registry, method) and not findings(registry).is_extended


def is_own_method(registry: Registry, method: str) -> bool:
    """Return whether no other addon overrides or patches a method of `queue.job`."""
    for cls in registry["queue.job"].__mro__:
        if method in cls.__dict__:
            return cls.__module__.startswith(_ADDON)
    return True


def allows_chatter(env: Environment) -> bool:
    """Return whether SQL may take the place of the methods in `CHATTER`."""
    registry = env.registry
    return not findings(registry).chatter_is_extended and all(
        cls.__module__.startswith(_MAIL)
        for model, methods in CHATTER.items()
        for cls in registry[model].__mro__
        if not cls.__dict__.keys().isdisjoint(methods)
    )


def orm_jobs(env: Environment) -> BaseModel:
    """Return the model as the queue writes it where SQL may not: it may write all."""
    jobs = env["queue.job"].sudo()
    return jobs.with_context(_job_edit_sentinel=jobs.EDIT_SENTINEL)


def findings(registry: Registry) -> Findings:
    """Return what is hung on the model of jobs, worked out once for each set-up."""
    setup = registry.field_computed
    known = getattr(registry, _FINDINGS, (None, None))
    if known[0] is not setup:
        known = (setup, _work_out(registry))
        setattr(registry, _FINDINGS, known)
    return known[1]


def _work_out(registry) -> Findings:
    model = registry["queue.job"]
    fields = model._fields.values()
    own = [field for field in fields if _is_own(field)]
    dependents = {field: set(registry.get_dependent_fields(field)) for field in fields}
    stored_from = frozenset(
        field.name for field in own if any(dep.store for dep in dependents[field])
    )
    overviews = [
        registry[m]._fields[n] for m, names in OVERVIEWS.items() for n in names
    ]
    return Findings(
        is_extended=bool(stored_from)
        or any(_is_derived(field) for field in fields if not _is_own(field))
        or any(_has_foreign_inverse(registry, field) for field in own)
        or any(_is_redefined(field) for field in own)
        or _has_foreign_constraints(model),
        derived=frozenset([*fields, *overviews]).union(*dependents.values()),
        overviews=tuple(overviews),
        stored_from=stored_from,
        chatter_is_extended=_is_chatter_extended(registry),
    )


def _is_chatter_extended(registry) -> bool:
    models = [registry["mail.message"], registry["mail.followers"]]
    seen = registry["queue.job"]._fields
    return any(
        dependent.store
        for name in ("message_ids", "message_follower_ids", "message_partner_ids")
        for dependent in registry.get_dependent_fields(seen[name])
    ) or any(
        _is_derived(field) and not set(_OF_ODOO).intersection(field._modules)
        for model in models
        for field in model._fields.values()
    )


def _is_own(field) -> bool:
    return "queue_job" in field._modules


def _is_redefined(field) -> bool:
    """Whether another addon gives a field of ours a default, tracks it and so on."""
    return len(field._modules) > 1


def _is_derived(field) -> bool:
    """Whether the ORM gives the column of another addon a value by itself."""
    return bool(field.store and field.column_type and (field.compute or field.default))


def _has_foreign_inverse(registry, field) -> bool:
    return field.type == "many2one" and any(
        not _is_own(inverse) for inverse in registry.field_inverses[field]
    )


def _has_foreign_constraints(model) -> bool:
    return any(
        hasattr(method, "_constrains") and not cls.__module__.startswith(_ADDON)
        for cls in model.__mro__
        for method in cls.__dict__.values()
    )
