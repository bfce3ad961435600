# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job function names, and whether it is there.

The model, the method and its former names, the method for failures, the related action,
the exceptions of `retry_on` and the retry pattern: each check takes a record of
`queue.job.function` and yields the problems. None of them raises, whatever stands in
the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from odoo.api import Environment
from odoo.models import BaseModel

from ..core.delays import declared_faults
from ..core.former_names import Call, read
from ..core.names import nearest
from ..settle.retry_on import names_of
from ..storage import related_action as related_actions
from . import exceptions
from .problem import Problem

#: The fields that say which method of which model is meant.
METHOD_FIELDS = frozenset({"name", "model_id", "method"})


def problems_of(
    function: BaseModel, changed: Collection[str] | None = None
) -> Iterator[Problem]:
    """Iterate over the problems of a job function.

    :param function: a record of `queue.job.function`
    :param changed: names of fields, where only these have to be looked at
    """
    for names, check in _CHECKS:
        if changed is None or not names.isdisjoint(changed):
            yield from check(function)


def _method(function: BaseModel) -> Iterator[Problem]:
    model_name = function.model_id.model
    if not (model_name and function.method):
        return
    now = function._renamed().get((model_name, function.method))
    if now:
        text = function.env._(
            "The method was renamed: the job function %s names it in former_names and "
            "holds for its jobs. Delete this one.",
            str(now),
        )
        yield Problem("method", function.name, text)
    elif model_name not in function.env.registry:
        text = _unknown_model(function.env, model_name)
        yield Problem("model", function.name, text, is_early=True)
    else:
        yield from _method_of_model(function, "method")


def _on_fail_method(function: BaseModel) -> Iterator[Problem]:
    model_name = function.model_id.model
    if function.on_fail_method and model_name in function.env.registry:
        yield from _method_of_model(function, "on_fail_method")


def _method_of_model(function: BaseModel, field: str) -> Iterator[Problem]:
    missing = unknown_method(function.env, function.model_id.model, function[field])
    if missing:
        yield Problem(field, function.name, f"{field} {missing}")


def unknown_method(env: Environment, model_name: str, method: str) -> str | None:
    """Return what is missing of a method of a model, None if it exists.

    :param env: of the superuser
    :param model_name: of a model, which need not exist
    :param method: name of the method
    """
    model = env.registry.models.get(model_name)
    if model is None:
        return _unknown_model(env, model_name)
    if callable(getattr(model, method, None)):
        return None
    known = [each for each in dir(model) if callable(getattr(model, each, None))]
    text = env._("%(name)s is no method of %(model)s.", name=method, model=model_name)
    return text + hint(env, nearest(method, known))


def _unknown_model(env: Environment, name: str) -> str:
    return env._("there is no model %s; is its addon gone?", name)


def _former_names(function: BaseModel) -> Iterator[Problem]:
    env, name = function.env, function.name
    calls, wrong = read(function.former_names, function.model_id.model)
    for entry in wrong:
        text = env._(
            "former_names: %s is no name of a method. Give names separated by spaces, "
            "such as old_name or <old.model>.old_name.",
            entry,
        )
        yield Problem("former_names", name, text)
    for call in filter(function._has_method, calls):
        text = env._(
            "former_names: %s is a method still, and its jobs call that. Remove the "
            "method, or the name.",
            str(call),
        )
        yield Problem("former_names", name, text)
    yield from _claimed_twice(function, calls)


def _claimed_twice(function: BaseModel, calls: list[Call]) -> Iterator[Problem]:
    others = function.search(
        [("former_names", "not in", (False, "")), ("id", "!=", function.id)]
    )
    claims = {call: other for other in others for call in other._former_calls()}
    for call, count in Counter(calls).items():
        if call in claims or count > 1:
            other = claims.get(call, function).name
            text = function.env._(
                "former_names: %(call)s is a former name of %(other)s already. Name it "
                "once.",
                call=str(call),
                other=other,
            )
            yield Problem("former_names", function.name, text)


def related_action(function: BaseModel) -> Iterator[Problem]:
    """Iterate over the problems of the related action."""
    action = _action_of(function)
    name = action.get("func_name")
    env = function.env
    model = env.registry["queue.job"]
    of_records = env.registry.models.get(function.model_id.model)
    if not name or (
        related_actions.is_related_action(model, str(name))
        or related_actions.is_action_of_records(of_records, str(name))
    ):
        return
    text = related_actions.refusal(env, name)
    known = related_actions.names_in(model, of_records)
    text += hint(env, nearest(str(name), known))
    yield Problem("related_action", function.name, text, is_early=True)


def _action_of(function: BaseModel) -> dict:
    try:
        action = function.related_action
    except ValueError:
        return {}
    return action if isinstance(action, dict) else {}


def _retry_on(function: BaseModel) -> Iterator[Problem]:
    env = function.env
    for name in names_of(function.retry_on):
        found = exceptions.unknown(name)
        if found:
            text = env._(
                "retry_on %s is no exception that is known here. Name one with its "
                "module, such as requests.exceptions.ConnectionError.",
                name,
            )
            yield Problem("retry_on", function.name, text + hint(env, found.meant))


def _retry_pattern(function: BaseModel) -> Iterator[Problem]:
    faults = declared_faults(function._stored_retry_pattern())
    if faults:
        remedies = function._retry_pattern_remedies()
        told = "; ".join(f"{entry}: {remedies[fault]}" for entry, fault in faults)
        yield Problem("retry_pattern", function.name, f"retry_pattern: {told}")


def hint(env, meant: str | None) -> str:
    """Return a sentence about what was probably meant, "" for None."""
    return " " + env._("Did you mean %s?", meant) if meant else ""


_CHECKS = (
    (METHOD_FIELDS, _method),
    (METHOD_FIELDS | {"former_names"}, _former_names),
    (METHOD_FIELDS | {"on_fail_method"}, _on_fail_method),
    (frozenset({"related_action", "edit_related_action"}), related_action),
    (frozenset({"retry_on"}), _retry_on),
    (frozenset({"retry_pattern", "edit_retry_pattern"}), _retry_pattern),
)
