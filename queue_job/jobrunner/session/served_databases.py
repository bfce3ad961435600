# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which databases a server serves, by Odoo's options ``db_name`` and ``dbfilter``.

``dbfilter`` says which databases a visitor may see, often by the host in the request
(``%h``, ``%d``). The requests of the runner name whatever host the server listens on,
so a filter by host leaves the runner all databases, and any other filter those that all
visitors see. ``db_name`` names the databases itself; then the filter is for visitors
only.
"""

import re
from collections.abc import Iterable

#: Places of a filter that Odoo replaces by a part of the visitor's host.
BY_HOST = ("%h", "%d")


def db_names(option: list[str] | str | None) -> list[str]:
    """The databases that the option ``db_name`` names, sorted.

    :param option: its value, a list or names separated by commas
    """
    names = option.split(",") if isinstance(option, str) else option or []
    return sorted({name.strip() for name in names} - {""})


def served(
    databases: Iterable[str], names: list[str], dbfilter: str | None
) -> list[str]:
    """Those of some databases which the server serves, sorted.

    :param databases: names of the databases that exist, or are asked for
    :param names: the databases of the option ``db_name``
    :param dbfilter: the option of this name
    :raise ValueError: the filter is no regular expression
    """
    if names:
        return sorted(set(databases) & set(names))
    if not dbfilter or any(place in dbfilter for place in BY_HOST):
        return sorted(databases)
    try:
        pattern = re.compile(dbfilter)
    except re.error as error:
        raise ValueError(
            f"dbfilter {dbfilter!r} is no regular expression: {error}"
        ) from error
    return sorted(name for name in databases if pattern.match(name))
