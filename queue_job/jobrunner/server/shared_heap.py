# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Keep what a prefork server has loaded out of its children's garbage collections.

Modules and registries are some 130,000 objects that live as long as the server. A child
inherits them as young ones, so that after a few hundred jobs each child looks through
them once, for a tenth of a second in the middle of some job; and because a collection
writes into each object it looks at, the child then has a copy of all that memory.
Python's ``gc.freeze`` ends both: what is frozen is not looked at.

What is frozen isn't freed either, so it is thawed when one of its registries is loaded
anew: the old one can then be collected, as without any of this.
"""

from __future__ import annotations

import gc

from odoo.modules.registry import Registry

_frozen: frozenset[str] = frozenset()  # the databases whose registries are frozen
_is_frozen = False


def freeze() -> None:
    """Freeze what this process has loaded, unless nothing was loaded since.

    It is collected before, because frozen garbage stays; that takes a tenth of a
    second.
    """
    global _frozen, _is_frozen
    loaded = frozenset(Registry.registries.snapshot)
    if _is_frozen and loaded <= _frozen:
        return
    gc.collect()
    gc.freeze()
    _frozen, _is_frozen = loaded, True


def thaw(db_name: str) -> None:
    """Let a registry be collected that another one replaces.

    :param db_name: the database whose registry is loaded
    """
    global _frozen, _is_frozen
    if db_name in _frozen:
        gc.unfreeze()
        _frozen, _is_frozen = frozenset(), False
