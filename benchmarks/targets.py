# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is to be reached: each target knows its text and how to judge a figure."""

from collections.abc import Callable
from dataclasses import dataclass

MORE, LESS = "more", "less"


@dataclass(frozen=True)
class Target:
    """`check(ours, reference, results)` says whether the target is reached."""

    text: str
    check: Callable[[float, float | None, dict], bool | None]


def times(factor: float) -> Target:
    """So many times better than the reference in the same run."""

    def check(ours, reference, results, better=MORE):
        if not reference or not ours:
            return None
        ratio = ours / reference if better == MORE else reference / ours
        return ratio >= factor

    return Target(f"{factor:g} times", check)


def at_least(value: float, unit: str = "") -> Target:
    return Target(f">= {value:g}{unit}", lambda ours, *_args, **_kw: ours >= value)


def at_most(value: float, unit: str = "") -> Target:
    return Target(f"<= {value:g}{unit}", lambda ours, *_args, **_kw: ours <= value)


def share_of(share: float, key: tuple[str, str, str], text: str) -> Target:
    """A share of another figure of this run, `(scenario, side, metric)`."""

    def check(ours, reference, results, better=MORE):
        other = results.get(key)
        if not other:
            return None
        if better == MORE:
            return ours >= share * other
        return ours <= share * other

    return Target(f"{share:.0%} of {text}", check)


@dataclass(frozen=True)
class Metric:
    """One line of the table: a figure of a scenario and what it should be.

    With `share_of`, `(scenario, metric)` of the same side and run, the line shows the
    figure in percent of that one. With `each_round`, it shows the worst of the rounds.
    """

    key: str
    title: str
    unit: str = ""
    better: str = MORE
    targets: tuple[Target, ...] = ()
    share_of: tuple[str, str] | None = None
    each_round: bool = False

    def read(self, results, scenario: str, side: str) -> float | None:
        """The figure of one side in all its rounds; None if it was not measured."""
        if self.each_round:
            value = results.worst((scenario, side, self.key), self.better == MORE)
        else:
            value = results.get((scenario, side, self.key))
        if value is None or self.share_of is None:
            return value
        whole = results.get((self.share_of[0], side, self.share_of[1]))
        return 100 * value / whole if whole else None

    def ratio(self, ours: float | None, reference: float | None) -> float | None:
        """How many times better ours is."""
        if not ours or not reference:
            return None
        return ours / reference if self.better == MORE else reference / ours

    def verdict(self, ours, reference, results) -> str:
        """ "yes", "NO", or nothing where there is no target or no figure."""
        if ours is None or not self.targets:
            return ""
        checks = [
            target.check(ours, reference, results, better=self.better)
            for target in self.targets
        ]
        if False in checks:
            return "NO"
        return "yes" if True in checks else ""
