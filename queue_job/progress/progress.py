# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How far a job is: what a report may change, and how many reports are sent.

`Progress` holds what was reported; its rules are those of a bar which people look at:

- the bounds come together, the lower one below the upper one, or are ignored; once
  known they don't change (default: 0 and 100);
- the value does not go back, and stays between the bounds; one that is no number (NaN)
  is ignored, and so are bounds that are not finite;
- a new stage begins again, with bounds of its own.

`Throttle` lets a few reports a second through. What it holds back is not lost: it is
part of the next report that goes out, and the last one always does.
"""

from __future__ import annotations

import math
from typing import Any

from ..core import texts

#: Reports a second, and how many may follow each other at once after a pause.
RATE = 5.0
BURST = 2

DEFAULT_BOUNDS = (0.0, 100.0)


class Progress:
    """What a job has reported in its present attempt.

    >>> progress = Progress()
    >>> progress.update(progress=3, valuemin=0, valuemax=4, message="Three of four")
    >>> progress.percent
    75.0
    """

    def __init__(self) -> None:
        self.value: float | None = None
        self.bounds: tuple[float, float] | None = None
        self.message: str | None = None
        self.status: str | None = None
        self.stage: str | None = None

    def update(
        self,
        *,
        message: str | None = None,
        progress: float | None = None,
        valuemin: float | None = None,
        valuemax: float | None = None,
        status: str | None = None,
        stage: str | None = None,
    ) -> None:
        """Take a report; what is None stays as it was."""
        if stage is not None and _text(stage) != self.stage:
            self.stage, self.value, self.bounds = _text(stage), None, None
        if message is not None:
            self.message = _text(message)
        if status is not None:
            self.status = _text(status)
        self._set_bounds(valuemin, valuemax)
        if progress is not None:
            self._advance(_number("progress", progress))

    def _set_bounds(self, low: float | None, high: float | None) -> None:
        if self.bounds is not None or low is None or high is None:
            return
        bounds = _number("valuemin", low), _number("valuemax", high)
        if bounds[0] < bounds[1] and math.isfinite(bounds[1] - bounds[0]):
            self.bounds = bounds

    def _advance(self, value: float) -> None:
        if math.isnan(value):
            return
        low, high = self.bounds or DEFAULT_BOUNDS
        value = min(max(value, low), high)
        self.value = value if self.value is None else max(self.value, value)

    @property
    def percent(self) -> float | None:
        """From 0 to 100, None when no value was reported."""
        if self.value is None:
            return None
        low, high = self.bounds or DEFAULT_BOUNDS
        share = (self.value - low) / (high - low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def values(self) -> dict[str, Any]:
        """Return what is stored and sent."""
        low, high = self.bounds or DEFAULT_BOUNDS
        return {
            "value": self.value,
            "valuemin": low,
            "valuemax": high,
            "percent": self.percent,
            "message": self.message,
            "status": self.status,
            "stage": self.stage,
        }


def _text(value: Any) -> str:
    """Return a text that a database takes and a dialog shows."""
    return texts.storable(value, texts.PROGRESS) or ""


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 300 digits
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}={texts.shown(value)} of a progress report is no number: give how "
            "far the job is, from valuemin to valuemax."
        ) from error


class Throttle:
    """Lets `RATE` reports a second through: a bucket of `BURST` tokens.

    >>> throttle = Throttle()
    >>> [throttle.allows(now) for now in (0.0, 0.01, 0.02, 0.25)]
    [True, True, False, True]
    """

    def __init__(self, rate: float = RATE, burst: int = BURST) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = float(burst)
        self._last: float | None = None

    def allows(self, now: float) -> bool:
        """Whether a report may go out at this moment (seconds, monotonic)."""
        if self._last is not None:
            gained = (now - self._last) * self.rate
            self._tokens = min(self._tokens + gained, float(self.burst))
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def percent_of_stages(
    stages: list[tuple[str, float]], stage: str | None, percent: float | None
) -> float | None:
    """Return the percentage of the whole, from that of the present stage.

    Stages before it are complete; each counts by its weight.

    >>> percent_of_stages([("read", 1), ("write", 3)], "write", 50)
    62.5
    """
    names = [name for name, _weight in stages]
    total = sum(weight for _name, weight in stages)
    if stage not in names or not total:
        return percent
    position = names.index(stage)
    complete = sum(weight for _name, weight in stages[:position])
    part = stages[position][1] * (percent or 0) / 100
    return round(100 * (complete + part) / total, 2)
