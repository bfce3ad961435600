# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The key of a job, by which it has an order or a limit of its own (see `rules`)."""

from __future__ import annotations

from typing import Any

from .rules import CONCURRENCY, SEQUENCE, JobKey, key_of


class JobKeys:
    """The part of `Job` which knows its key."""

    def _init_key(self) -> None:
        self._key: JobKey | None = None
        self._gate_text: str | None = None
        self._gate_limit: int | None = None

    @property
    def gate(self) -> str | None:
        """The key with its kind, as the column `gate` has it; None without one."""
        if self._key is not None:
            self._gate_text = self._key.text(self)
            self._gate_limit = self._key.limit if self._gate_text else None
            self._key = None
        return self._gate_text

    @property
    def gate_limit(self) -> int | None:
        """How many jobs of the key run at a time, 0 for one and in order."""
        return self._gate_limit if self.gate else None

    @property
    def sequence_key(self) -> str | None:
        """Jobs of this channel and key run one after the other."""
        return key_of(self.gate, SEQUENCE)

    @property
    def concurrency_key(self) -> str | None:
        """At most `concurrency_limit` jobs of this channel and key run at a time."""
        return key_of(self.gate, CONCURRENCY)

    @property
    def concurrency_limit(self) -> int | None:
        """The limit of the `concurrency_key`."""
        return self.gate_limit or None

    def key_options(self) -> dict[str, Any]:
        """Return the options of a call which give another job the same key."""
        found = {
            "sequence_key": self.sequence_key,
            "concurrency_key": self.concurrency_key,
            "concurrency_limit": self.concurrency_limit,
        }
        return {name: value for name, value in found.items() if value}
