# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``make run``: a real Odoo that imports contacts in the background.

It clones a database, starts a server (``demo_server.py``), and delays the import of a
CSV file as a user's click would (the import is ``test_queue_job``'s model
``test.contact.import``). It shows the progress and prints a summary. Then it delays
jobs of all kinds, says what to look at (``demo_tour.py``) and keeps serving until
Ctrl-C. All it started ends with it, and the database is dropped.

Environment: ``CSV`` a file of the columns of the sample, ``ONCE`` to end after the
summary, ``WORKERS`` of the server (0: threaded), ``PORT``. The exit code is 0 exactly
when the import ended as it should: of the sample one chunk fails and one is retried,
of a given file no job fails and every row is a contact.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import cache, contacts, database, demo_server, demo_tour
from .client import Client
from .console import Progress, SetupError, say
from .demo_server import LOGIN, PASSWORD, Demo
from .odoo_server import OdooServer
from .postgres import port_is_free
from .stack import open_stack

DEFAULT_WORKERS = 4
DEFAULT_PORT = 8069
CHUNK_SIZE = 100
MODEL = "test.contact.import"
IMPORT_SECONDS = 300
COUNTS = """
    SELECT count(*),
           count(*) FILTER (WHERE state IN ('done', 'failed', 'cancelled')),
           count(*) FILTER (WHERE state = 'started'),
           count(*) FILTER (WHERE state = 'done' AND retry > 1),
           count(*) FILTER (WHERE state = 'failed')
      FROM queue_job WHERE model_name = %s
"""
ERRORS = """
    SELECT name, exc_message FROM queue_job
     WHERE model_name = %s AND state = 'failed' ORDER BY id
"""
IMPORTED = "SELECT count(*) FROM res_partner WHERE test_import_id = %s"


@dataclass(frozen=True)
class Counts:
    """The jobs of the import, as they are at one moment."""

    jobs: int
    settled: int
    running: int
    retried: int
    failed: int

    @property
    def over(self) -> bool:
        return 0 < self.jobs == self.settled

    def text(self, seconds: float) -> str:
        width = 24
        filled = width * self.settled // max(1, self.jobs)
        bar = "#" * filled + "." * (width - filled)
        return (
            f"[{bar}] {self.settled}/{self.jobs} jobs, {self.settled / seconds:.1f}/s,"
            f" {self.running} running, {self.retried} retried, {self.failed} failed"
        )


@dataclass(frozen=True)
class Outcome:
    """What came of the import."""

    rows: int
    created: int
    reported: bool
    counts: Counts
    errors: list[tuple[str, str]]
    seconds: float

    def as_expected(self, *, sample: bool) -> bool:
        created, retried, failed = self.created, self.counts.retried, self.errors
        if not sample:
            return self.reported and not failed and created == self.rows
        return (
            self.reported
            and created == contacts.ROWS - CHUNK_SIZE
            and retried == 1
            and len(failed) == 1
            and str(contacts.BAD_ROW) in (failed[0][1] or "")
        )


def main(command: str) -> int:
    options = _options()
    with _alone(), open_stack() as stack:
        directory = cache.BUILD / "run"
        shutil.rmtree(directory, ignore_errors=True)
        place = {"workers": options.workers, "port": options.port}
        with demo_server.serving(stack, directory, **place) as demo:
            say(f"Odoo serves {demo.url} (log: {demo.server.log})")
            say(f"  the dashboard, while it moves: {demo.url}/odoo/job-queue")
            return _demonstrate(demo, options)


@dataclass(frozen=True)
class Options:
    csv: Path | None
    once: bool
    workers: int
    port: int


def _options() -> Options:
    given = os.environ.get
    try:
        workers = int(given("WORKERS") or DEFAULT_WORKERS)
        port = _port(given("PORT"))
    except ValueError as error:
        raise SetupError(f"WORKERS and PORT are numbers: {error}") from error
    path = Path(given("CSV")).resolve() if given("CSV") else None
    if path and not path.is_file():
        raise SetupError(f"there is no file {path}")
    return Options(path, (given("ONCE") or "0") != "0", workers, port)


def _port(given: str | None) -> int:
    """The given port, which must be free, or the first free one."""
    if given:
        if not port_is_free(int(given)):
            raise SetupError(f"port {given} is busy: make run PORT=another")
        return int(given)
    ports = range(DEFAULT_PORT, DEFAULT_PORT + 100)
    port = next((port for port in ports if port_is_free(port)), None)
    if port is None:
        raise SetupError(f"the ports {ports[0]} to {ports[-1]} are all busy")
    return port


@contextmanager
def _alone() -> Iterator[None]:
    """One ``make run`` per checkout: two would share ``build/run``."""
    cache.BUILD.mkdir(exist_ok=True)
    with (cache.BUILD / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError("`make run` is already running in this checkout") from None
        yield


def _demonstrate(demo: Demo, options: Options) -> int:
    text = options.csv.read_text() if options.csv else contacts.sample()
    name = options.csv.name if options.csv else "sample.csv"
    outcome = import_contacts(demo.server, name, text, url=demo.url)
    _summarise(outcome)
    expected = outcome.as_expected(sample=options.csv is None)
    if not expected:
        say("This is not what was expected.")
    if not options.once:
        demo_tour.furnish(demo)
        demo_tour.greet(demo)
        _serve(demo.server)
    return 0 if expected else 1


def import_contacts(
    server: OdooServer, name: str, text: str, *, url: str | None = None
) -> Outcome:
    """Import a CSV file as a user does, and wait until all its jobs have ended.

    :param url: of the proxy, where there is one
    """
    started = time.monotonic()
    rows = len(text.strip().splitlines()) - 1
    client = Client(url or server.url, server.database, LOGIN, PASSWORD)
    import_id = client.call(MODEL, "start", name, text, CHUNK_SIZE)
    counts = _watch(server, f"Importing {rows} contacts")
    seconds = time.monotonic() - started
    ((state,),) = database.execute(
        "SELECT state FROM test_contact_import WHERE id = %s",
        [import_id],
        database=server.database,
    )
    return Outcome(
        rows=rows,
        created=database.execute(IMPORTED, [import_id], database=server.database)[0][0],
        reported=state == "reported",
        counts=counts,
        errors=database.execute(ERRORS, [MODEL], database=server.database),
        seconds=seconds,
    )


def _watch(server: OdooServer, title: str) -> Counts:
    """Show the progress until all jobs have ended."""
    progress = Progress(title)
    connection = database.connect(server.database)
    try:
        while True:
            counts = _counts(connection)
            seconds = time.monotonic() - progress.started
            progress.tick(counts.text(max(seconds, 0.1)), every=1)
            if counts.over:
                progress.end("over")
                return counts
            if seconds > IMPORT_SECONDS or server.process.poll() is not None:
                progress.end("given up")
                return counts
            time.sleep(0.1)
    finally:
        connection.close()


def _counts(connection) -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [MODEL])
        return Counts(*cursor.fetchone())


def _summarise(outcome: Outcome) -> None:
    counts = outcome.counts
    say(f"  contacts created  {outcome.created} of {outcome.rows}")
    say(f"  jobs              {counts.settled} of {counts.jobs} ended")
    say(f"  retried           {counts.retried}")
    say(f"  failed            {counts.failed}")
    for name, message in outcome.errors:
        say(f"    {name}: {message}")
    say(f"  seconds           {outcome.seconds:.1f}")


def _serve(server: OdooServer) -> None:
    try:
        while server.process.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        say("\nStopping.")
        return
    raise SetupError(f"the server ended: {server.last_words()}")
