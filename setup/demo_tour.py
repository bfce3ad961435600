# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What ``make run`` says when all is ready: who can log in, and what to look at, each
in a line.

The jobs are those of ``test_queue_job/models/demo.py``.
"""

from __future__ import annotations

from .console import say
from .demo_server import Demo
from .languages import RIGHT_TO_LEFT

FURNISH = "test.queue.job.demo"
USERS = (
    ("admin", "runs the whole queue."),
    ("demo", "an ordinary user: Contacts Import, whose button waits for its job."),
    ("branch", "manager of a second company: sees the jobs of that company only."),
)
SIGHTS = (
    (
        "dashboard",
        "it moves while jobs run; click a number to list the jobs behind it.",
    ),
    ("group", "Close the month: six jobs with a progress bar; a report waits for all."),
    (
        "chain",
        "Order S0042: confirm, pack, ship, invoice; its tab Dependencies draws it.",
    ),
    (
        "sequence",
        "Book line 2 has failed and holds line 3, whose form offers a requeue.",
    ),
    ("failure", "three times The shop does not answer. Requeue all: now it does."),
    ("rate", "root.mail starts 10 jobs in any minute; the newsletter has 40."),
    ("pause", "40 jobs wait in root.archive, which is paused: resume it."),
    ("channels", "Queue > Channels: a new capacity is obeyed within a second."),
    ("schedule", "Value the stock waits for tomorrow, two o'clock UTC."),
    ("company", "Second Company: its jobs are all that the user branch sees."),
)
LANGUAGES = {
    False: "French: see the preferences of a user.",
    True: "French, and Arabic from right to left: see the preferences of a user.",
}


def furnish(demo: Demo) -> None:
    """Delay the jobs that there are to see."""
    demo.client().call(FURNISH, "furnish")


def greet(demo: Demo) -> None:
    """Print where to log in, as whom, and what to look at."""
    say(f"\n  {demo.url}/odoo/job-queue  (database {demo.server.database})")
    say("\n  Log in, the password is the name:")
    for login, duty in USERS:
        _line(login, duty)
    say("\n  What to look at:")
    for name, sentence in SIGHTS:
        _line(name, sentence)
    arabic = set(RIGHT_TO_LEFT) <= set(demo.languages)
    _line("language", LANGUAGES[arabic])
    say("\n  make shell: a Python shell on this database.  Ctrl-C ends the server.")


def _line(name: str, text: str) -> None:
    say(f"    {name:11}{text}")
