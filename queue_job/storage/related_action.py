# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which methods of `queue.job` are related actions, and with whose rights they run.

Job functions name their related action in the database, where job queue managers may
change it. Two rules keep that from being a way to call anything:

- It has to be meant for it: a method that an addon has added to `queue.job`, whatever
  its name, or one called `related_action…` there or in the model of the job's own
  records. What else Odoo or this addon defines is not.
- It runs with the rights of the user who asks for it, and so do the records which it
  finds in the fields of the job.
"""

from __future__ import annotations

from typing import Any

from odoo.api import Environment
from odoo.exceptions import AccessError
from odoo.models import BaseModel

from ..fields import AS_READER

OWN_MODULE = __name__.split(".")[2]
USUAL_NAME = "related_action"


def is_related_action(model: type[BaseModel], name: str) -> bool:
    """Return whether a method may be called as a related action.

    :param model: the class of `queue.job` in the registry
    :param name: of the method
    """
    if not callable(getattr(model, name, None)):
        return False
    if has_usual_name(name):
        return True
    owners = [cls for cls in model.mro() if cls is not model and name in vars(cls)]
    return bool(owners) and all(_adds_to(cls, model) for cls in owners)


def is_action_of_records(model: type[BaseModel] | None, name: str) -> bool:
    """Return whether a method may be called as a related action on a job's records.

    :param model: the class of their model in the registry, None where it is gone
    :param name: of the method
    """
    return has_usual_name(name) and callable(getattr(model, name, None))


def names_in(model: type[BaseModel], of_records: type[BaseModel] | None) -> list[str]:
    """Return the names of the related actions.

    :param model: the class of `queue.job` in the registry
    :param of_records: the class of the model of a job's records, None for none
    """
    names = [name for name in dir(model) if is_related_action(model, name)]
    others = [
        name for name in dir(of_records) if is_action_of_records(of_records, name)
    ]
    return names + others


def has_usual_name(name: str) -> bool:
    """Return whether the name of a method says that it is a related action."""
    return name.lstrip("_").startswith(USUAL_NAME)


def _adds_to(cls: type, model: type[BaseModel]) -> bool:
    """Whether the class is what another addon adds to the model itself."""
    is_of_model = getattr(cls, "_name", None) == model._name
    return is_of_model and cls._module not in (None, OWN_MODULE)


def refusal(env: Environment, name: Any) -> str:
    """Return why something is no related action, and what to name instead."""
    return env._(
        "%s is no related action. Name a method that an addon has added to queue.job "
        "for this purpose, or one of the job's model whose name begins with "
        "related_action.",
        name,
    )


def call(
    record: BaseModel, env: Environment, name: str, kwargs: dict[str, Any]
) -> dict[str, Any] | None:
    """Call the related action, with the rights of the environment.

    :param record: the `queue.job` record
    :param env: of the user who asks for it
    :param name: of the method, of `queue.job` or of the model of the job's records
    :param kwargs: its keyword arguments, as the job function has them
    :return: what the method returned, an action; None if all records are deleted on
        which it is to be called
    :raise AccessError: the method is not meant for it
    """
    record = record.with_env(env).with_context(queue_job_read_as=AS_READER)
    if isinstance(name, str) and is_related_action(env.registry["queue.job"], name):
        return getattr(record, name)(**kwargs)
    records = record.records
    if not isinstance(name, str) or not is_action_of_records(type(records), name):
        raise AccessError(refusal(env, name))
    existing = records.exists()
    if records and not existing:
        return None
    return getattr(existing, name)(**kwargs)
