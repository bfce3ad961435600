# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Names of earlier series, which do nothing but warn."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_logger = logging.getLogger(__name__)


def job(func: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Return the function as it is: any method can be delayed, without a decorator.

    It is used as `@job` or `@job(default_channel="root.import")`. The options have no
    effect, which is logged.

    :param func: the function that is decorated, None where there are options
    :param options: of earlier series
    """

    def warn(function: Callable[..., Any]) -> Callable[..., Any]:
        text = "@job on %s has no effect, any method can be delayed"
        if options:
            text += "; declare a queue.job.function in place of its options (%s)"
        name = f"{function.__module__}.{function.__qualname__}"
        _logger.warning(text, name, *([", ".join(options)] if options else []))
        return function

    return warn if func is None else warn(func)
