# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The key of a job, by which it has an order or a limit of its own (see `gates`)."""

from __future__ import annotations

from .rules import CONCURRENCY, SEQUENCE, Gate, key_of


class JobGate:
    """The part of `Job` which knows its key."""

    def _init_gate(self) -> None:
        self._gate: Gate | None = None
        self._gate_text: str | None = None
        self._gate_limit: int | None = None

    @property
    def gate(self) -> str | None:
        """The key with its kind, as it is stored; None without one."""
        if self._gate is not None:
            self._gate_text = self._gate.text(self)
            self._gate_limit = self._gate.limit if self._gate_text else None
            self._gate = None
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
        """Of this channel and key, so many jobs as the limit says run at a time."""
        return key_of(self.gate, CONCURRENCY)

    @property
    def concurrency_limit(self) -> int | None:
        """The limit of the `concurrency_key`."""
        return self.gate_limit or None

    def key_options(self) -> dict:
        """Return the options of a call which give another job the same key."""
        found = {
            "sequence_key": self.sequence_key,
            "concurrency_key": self.concurrency_key,
            "concurrency_limit": self.concurrency_limit,
        }
        return {name: value for name, value in found.items() if value}
