# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whose jobs a figure counts: those of the companies in which the user works now.

A figure says what the list behind it shows, and the list follows the record rule of
``queue.job``: the companies that are ticked in the company menu, and the jobs of none.
"""

from __future__ import annotations

from typing import Any


def visible_companies(env: Any) -> list[int] | None:
    """Return the ids of the companies whose jobs the user of an environment sees.

    :param env: an environment; that of the superuser sees all
    :return: None for all that there are, which is cheaper to count
    """
    if env.su:
        return None
    # a context may name a company twice
    visible = sorted(set(env.companies.ids))
    companies = env["res.company"].sudo().with_context(active_test=False)
    return visible if companies.search_count([]) > len(visible) else None
