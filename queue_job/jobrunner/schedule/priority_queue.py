# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A heap from which any item can be removed.

Items are hashable and know how to compare themselves (`<`). Removing only marks
the item; the heap drops it when it surfaces, or when the dead outnumber the living.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Any


class PriorityQueue:
    """A set of items, smallest first.

    >>> queue = PriorityQueue()
    >>> for number in (3, 1, 2, 1):
    ...     queue.add(number)
    >>> len(queue), queue[0], 3 in queue
    (3, 1, True)
    >>> queue.remove(1)
    >>> queue.pop(), queue.pop(), queue.pop()
    (2, 3, None)
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Any, int]] = []
        self._tickets: dict[Hashable, int] = {}  # living items only
        self._counter = count()

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, item: Hashable) -> bool:
        return item in self._tickets

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the items in no particular order."""
        return iter(self._tickets)

    def __getitem__(self, index: int) -> Any:
        """Return the smallest item; only index 0 is known."""
        self._drop_dead_head()
        if index != 0 or not self._heap:
            raise IndexError("only the head of a non-empty queue can be read")
        return self._heap[0][0]

    def add(self, item: Hashable) -> None:
        """Add an item; nothing happens when it is there already."""
        if item is None:
            raise ValueError("None cannot be queued")
        if item not in self._tickets:
            ticket = next(self._counter)
            self._tickets[item] = ticket
            heapq.heappush(self._heap, (item, ticket))

    def remove(self, item: Hashable) -> None:
        """Forget an item; nothing happens when it is not there."""
        if self._tickets.pop(item, None) is not None:
            self._compact()

    def pop(self) -> Any:
        """Remove and return the smallest item, or return None."""
        self._drop_dead_head()
        if not self._heap:
            return None
        item, _ticket = heapq.heappop(self._heap)
        del self._tickets[item]
        return item

    def _is_dead(self, entry: tuple[Any, int]) -> bool:
        # the ticket tells an item that was removed and added again from its ghost
        item, ticket = entry
        return self._tickets.get(item) != ticket

    def _drop_dead_head(self) -> None:
        while self._heap and self._is_dead(self._heap[0]):
            heapq.heappop(self._heap)

    def _compact(self) -> None:
        """Keep memory proportional to the living items."""
        if len(self._heap) > 2 * len(self._tickets) + 16:
            self._heap = [entry for entry in self._heap if not self._is_dead(entry)]
            heapq.heapify(self._heap)
