# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A server-wide module that lets any function of the job runner raise once.

The directory ``LOOP_FAULTS`` holds a file ``fault`` with the name of the function
whose next call raises; the file goes with it. The functions that are called are
written into ``called``, one by line, and once more after the fault ``*``.

An error is forgotten after a moment of good turns, so that each is the first one.
"""

import functools
import importlib
import inspect
import os
import pkgutil
import sys
from contextlib import suppress
from pathlib import Path

from odoo.addons.queue_job import jobrunner
from odoo.addons.queue_job.jobrunner import keep_running
from odoo.addons.queue_job.jobrunner.session import reconnect

DIRECTORY = Path(os.environ["LOOP_FAULTS"])
FAULT, CALLED = DIRECTORY / "fault", DIRECTORY / "called"

#: What the server runs outside the runner's threads, and what starts the addon.
OTHERS = ("server", "__main__")

#: Seconds of good turns after which the pause is the first one again.
keep_running.WELL = reconnect.WELL = 0.2

_called = set()


class InjectedError(Exception):
    """What nobody has foreseen."""


def breakable(name, function):
    """Return the function, which raises when it is told to."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if name not in _called:
            _called.add(name)
            with CALLED.open("a") as stream:
                stream.write(f"{name}\n")
        _raise_if_told(name)
        return function(*args, **kwargs)

    return call


def _raise_if_told(name):
    with suppress(FileNotFoundError):
        told = FAULT.read_text()
        if told == "*":
            FAULT.unlink()
            _called.clear()
        elif told == name:
            FAULT.unlink()
            raise InjectedError(f"injected into {name}")


def _arm(module, prefix):
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            _replace(value, breakable(f"{prefix}.{name}", value))
        elif inspect.isclass(value):
            _arm_class(value, f"{prefix}.{name}")


def _arm_class(owner, prefix):
    for name, value in list(vars(owner).items()):
        if inspect.isfunction(value) and name not in ("__del__", "__repr__"):
            setattr(owner, name, breakable(f"{prefix}.{name}", value))


def _replace(function, other):
    """Wherever it was imported."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("odoo.addons.queue_job"):
            for name, value in list(vars(module).items()):
                if value is function:
                    setattr(module, name, other)


def _arm_all():
    for found in pkgutil.walk_packages(jobrunner.__path__, f"{jobrunner.__name__}."):
        below = found.name.removeprefix(f"{jobrunner.__name__}.")
        if below.split(".")[0] not in OTHERS:
            _arm(importlib.import_module(found.name), below)


_arm_all()
