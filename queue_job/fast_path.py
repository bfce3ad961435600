# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""When rows of `queue.job` may be written by SQL instead of the ORM.

Plain SQL is several times faster, and skips whatever other addons hang on the model.
So it is used only when nothing hangs there:

- the first class which defines `create` (or `write`) is one of this addon: no other
  addon overrides it, and nothing is patched onto the class (automation rules, audit
  logs and tests do that);
- no stored field of another addon is computed from the columns of a job, none has a
  default, and no other addon constrains a job or lists jobs by one of its columns.

The second part is worked out once for each set-up of the registry, the first part at
every call: patches come and go.
"""

from __future__ import annotations

_ADDON = "odoo.addons.queue_job."
#: Attribute of the registry: (what each set-up replaces, the verdict for it).
_VERDICT = "_queue_job_is_extended"


def allows(env, method: str) -> bool:
    """Whether SQL may take the place of `method` ("create" or "write")."""
    registry = env.registry
    for cls in registry["queue.job"].__mro__:
        if method in cls.__dict__:
            if not cls.__module__.startswith(_ADDON):
                return False
            break
    return not is_extended(registry)


def is_extended(registry) -> bool:
    """Whether other addons derive something from the columns of a job."""
    setup = registry.field_computed
    known = getattr(registry, _VERDICT, (None, None))
    if known[0] is not setup:
        known = (setup, _work_out(registry))
        setattr(registry, _VERDICT, known)
    return known[1]


def _work_out(registry) -> bool:
    model = registry["queue.job"]
    own = [field for field in model._fields.values() if _is_own(field)]
    return (
        any(_is_derived(f) for f in model._fields.values() if not _is_own(f))
        or any(_has_foreign_inverse(registry, field) for field in own)
        or any(_has_foreign_dependents(registry, field) for field in own)
        or _has_foreign_constraints(model)
    )


def _is_own(field) -> bool:
    return "queue_job" in field._modules


def _is_derived(field) -> bool:
    """Whether the ORM gives the column of another addon a value by itself."""
    return bool(field.store and field.column_type and (field.compute or field.default))


def _has_foreign_inverse(registry, field) -> bool:
    return field.type == "many2one" and any(
        not _is_own(inverse) for inverse in registry.field_inverses[field]
    )


def _has_foreign_dependents(registry, field) -> bool:
    return any(
        dependent.store and not _is_own(dependent)
        for dependent in registry.get_dependent_fields(field)
    )


def _has_foreign_constraints(model) -> bool:
    return any(
        hasattr(method, "_constrains") and not cls.__module__.startswith(_ADDON)
        for cls in model.__mro__
        for method in cls.__dict__.values()
    )
