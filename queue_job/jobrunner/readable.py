# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Waits until something can be read, whatever the numbers of the descriptors.

`select()` knows descriptors up to 1023 only. A runner with some 250 databases has more.
"""

import selectors
from collections.abc import Iterable
from typing import Any

#: Where there is no `poll()`, `select()` has no such limit.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


def readable(sources: Iterable[Any], timeout: float) -> list[Any]:
    """Wait until one of some sources can be read.

    :param sources: descriptors, or objects that have a `fileno`
    :param timeout: seconds, 0 not to wait
    :return: the sources that can be read
    :raise ValueError: a source is closed
    """
    with _Selector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        return [key.fileobj for key, _events in selector.select(max(timeout, 0.0))]
