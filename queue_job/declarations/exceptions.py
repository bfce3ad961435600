# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether the exceptions named in `retry_on` exist.

A name is that of a class, or of its module and the class, as `settle.retry_on` compares
them. Nothing is imported for it: whoever writes the field does not choose which code
runs. So a class of a module that is not loaded yet has to be named with its module, and
of that only the package is looked for.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from typing import NamedTuple

from ..core.names import nearest

#: A class may have a metaclass of its own, which does anything at a name.
_NAME, _QUALNAME, _MODULE = (
    type.__dict__[name].__get__ for name in ("__name__", "__qualname__", "__module__")
)


class Unknown(NamedTuple):
    """A name that no exception has."""

    name: str
    #: What was probably meant, or None.
    meant: str | None


def unknown(name: str) -> Unknown | None:
    """Return what is wrong with the name of an exception, None if it is one.

    >>> unknown("TimeoutError"), unknown("socket.timeout").meant
    (None, 'builtins.TimeoutError')
    >>> unknown("TimeuotError")
    Unknown(name='TimeuotError', meant='TimeoutError')
    """
    module, _dot, cls = name.rpartition(".")
    if not module:
        classes = {_NAME(each) for each in _exceptions()}
        return None if name in classes else Unknown(name, nearest(name, classes))
    if module in sys.modules:
        return _unknown_in(module, cls, name)
    return _unknown_elsewhere(module, name)


def _unknown_in(module: str, cls: str, name: str) -> Unknown | None:
    found = getattr(sys.modules[module], cls, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        real = _full_name(found)
        return None if real == name else Unknown(name, real)
    others = vars(sys.modules[module]).items()
    classes = [key for key, value in others if _is_exception(value)]
    meant = nearest(cls, classes)
    return Unknown(name, f"{module}.{meant}" if meant else None)


def _unknown_elsewhere(module: str, name: str) -> Unknown | None:
    classes = {_full_name(each) for each in _exceptions()}
    if name in classes:  # of a class in a class
        return None
    package = module.partition(".")[0]
    if package != "odoo" and package not in sys.modules and _is_installed(package):
        return None
    return Unknown(name, nearest(name, classes))


def _full_name(cls: type[BaseException]) -> str:
    return f"{_MODULE(cls)}.{_QUALNAME(cls)}"


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _exceptions() -> Iterator[type[BaseException]]:
    """Iterate over all classes of exceptions of the modules that are loaded."""
    seen: set[type[BaseException]] = set()
    todo: list[type[BaseException]] = [BaseException]
    while todo:
        cls = todo.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            todo.extend(type.__subclasses__(cls))
