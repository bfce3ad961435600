# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The sample file of ``make run``: 2,000 made-up contacts, the same every time.

Two rows are special: the mail server of one does not answer at first (its chunk is
retried and succeeds), the address of the other is wrong (its chunk fails).
"""

from __future__ import annotations

import csv
import io
import random

ROWS = 2_000
BUSY_ROW = 444  # numbers of rows as a spreadsheet shows them
BAD_ROW = 1_555
SEED = 19
COLUMNS = ("name", "email", "phone", "street", "zip", "city", "country_code")
FIRST_NAMES = (
    "Ada Alan Barbara Claude Donald Edsger Frances Grace Ivan John Katherine Leslie"
    " Margaret Niklaus Radia Shafi Tim Tony"
).split()
LAST_NAMES = (
    "Almeida Bakker Costa Dubois Eriksen Fischer Garcia Horvat Ivanova Jansen Kovacs"
    " Lindqvist Moreau Novak Olsen Peeters Rossi Silva Tanaka Weber"
).split()
STREETS = "Main Street,Church Lane,Station Road,Mill Lane,Market Square".split(",")
CITIES = (
    ("Brussels", "BE"),
    ("Lisbon", "PT"),
    ("Lyon", "FR"),
    ("Madrid", "ES"),
    ("Milan", "IT"),
    ("Utrecht", "NL"),
    ("Vienna", "AT"),
)


def sample() -> str:
    """The CSV text."""
    choice = random.Random(SEED)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(number, choice) for number in range(2, ROWS + 2))
    return text.getvalue()


def _row(number: int, choice: random.Random) -> dict[str, str]:
    first, last = choice.choice(FIRST_NAMES), choice.choice(LAST_NAMES)
    city, country = choice.choice(CITIES)
    return {
        "name": f"{first} {last}",
        "email": _email(f"{first}.{last}.{number}".lower(), number),
        "phone": f"+32 2 {choice.randrange(100, 1000)} {choice.randrange(10, 100)}",
        "street": f"{choice.randrange(1, 200)} {choice.choice(STREETS)}",
        "zip": str(choice.randrange(1000, 10000)),
        "city": city,
        "country_code": country,
    }


def _email(name: str, number: int) -> str:
    if number == BAD_ROW:
        return f"{name}.example.com"
    return f"{name}@{'busy.example' if number == BUSY_ROW else 'example.com'}"
