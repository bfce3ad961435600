# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The names that a method had before it was renamed, while jobs of it wait.

The field `former_names` of a job function holds them, separated by spaces or commas. A
name alone is a method of the same model; `<old.model>.method` is one of a model that
was renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_ENTRY = re.compile(r"(?:<([0-9a-z_.]+)>\.)?([A-Za-z_][0-9A-Za-z_]*)")


class Call(NamedTuple):
    """Which method of which model is called."""

    model: str
    method: str

    def __str__(self) -> str:
        return f"<{self.model}>.{self.method}"


def read(text: str | None, model: str) -> tuple[list[Call], list[str]]:
    """Return the former names in a text, and the entries that are none.

    :param text: of the field
    :param model: name of the model to which a name alone belongs

    >>> read("pull, <old.shop>.fetch", "shop")[0]
    [Call(model='shop', method='pull'), Call(model='old.shop', method='fetch')]
    >>> read("shop.pull", "shop")
    ([], ['shop.pull'])
    """
    calls, wrong = [], []
    for entry in re.split(r"[\s,]+", (text or "").strip(" ,\n\t")):
        match = _ENTRY.fullmatch(entry)
        if match:
            calls.append(Call(match[1] or model, match[2]))
        elif entry:
            wrong.append(entry)
    return calls, wrong


def renamed_models(
    renamed: Mapping[Call, Call], known: Iterable[str]
) -> dict[str, str]:
    """Return {former name of a model: its name now}.

    :param renamed: {call of before: call of now}
    :param known: names of the models that there are: they are not renamed

    >>> renamed_models({Call("a", "f"): Call("b", "f"), Call("b", "g"): Call("b", "h")},
    ...                ["b"])
    {'a': 'b'}
    """
    return {
        former.model: now.model
        for former, now in renamed.items()
        if former.model != now.model and former.model not in known
    }
