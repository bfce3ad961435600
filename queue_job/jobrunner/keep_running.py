# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Keeps a thread of the runner at work until it is told to stop.

An error that nobody has foreseen would end the thread without a word, and with it all
jobs of a database. Here it is one line at ERROR, with the traceback; after a pause the
work is begun again. The pauses grow to four seconds.
"""

import logging
import threading
import time
from collections.abc import Callable

_logger = logging.getLogger(__name__)

#: First and last pause, in seconds.
FIRST, LAST = 0.5, 4.0

#: Seconds of work after which an error is the first one again.
WELL = 30.0


def keep_running(
    name: str, work: Callable[[], None], stopping: threading.Event
) -> None:
    """Do some work until it is to stop, again whenever it ends before.

    :param name: what it is, for the log
    :param work: returns when it is to stop
    :param stopping: set when it is to stop
    :raise SystemExit: of the work, in the main thread
    """
    pause = FIRST
    while not stopping.is_set():
        begun = time.monotonic()
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:
            if isinstance(caught, SystemExit) and _is_main():
                raise
            error = caught
        if stopping.is_set() and error is None:
            return
        if time.monotonic() - begun >= WELL:
            pause = FIRST
        _logger.error(
            "%s has ended (%r); it is started again in %.1f s",
            name,
            error,
            pause,
            exc_info=error,
        )
        stopping.wait(pause)
        pause = min(2 * pause, LAST)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
