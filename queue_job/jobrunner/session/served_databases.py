# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which databases a server serves, by Odoo's options ``db_name`` and ``dbfilter``.

``dbfilter`` says what a visitor may see, often by the host that he asks for (``%h``,
``%d``). The runner is no visitor: it asks for whatever host the server listens on. So a
filter by host leaves it all databases, and any other one those that it shows to
everybody. ``db_name`` names the databases itself; then the filter is for visitors.
"""

import re
from collections.abc import Iterable

#: Places of a filter that Odoo replaces by a part of the visitor's host.
BY_HOST = ("%h", "%d")


def db_names(option: list[str] | str | None) -> list[str]:
    """The databases that the option ``db_name`` names, sorted."""
    names = option.split(",") if isinstance(option, str) else option or []
    return sorted({name.strip() for name in names} - {""})


def served(
    databases: Iterable[str], names: list[str], dbfilter: str | None
) -> list[str]:
    """Those of some databases which the server serves, sorted.

    :param databases: there are, or are asked for
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
