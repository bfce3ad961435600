# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a job function is called where people read it."""

from __future__ import annotations

import re

#: Characters; a docstring whose first line is longer says more than a name.
LONGEST = 80

#: As Odoo documents its own methods: the signature comes first.
_SIGNATURE = re.compile(r"^\w+\(.*\)|^:")


def function_label(model_label: str, method: str, doc: str | None) -> str:
    """Return a name for people: the label of the model, and what the method does.

    :param model_label: such as "Contact"; may be empty
    :param method: name of the method
    :param doc: its docstring, whose first line is the description of its jobs, too

    >>> function_label("Contact", "_import_rows", "Import some rows.")
    'Contact: Import some rows'
    >>> function_label("Contact", "_import_rows", None)
    'Contact: import rows'
    """
    lines = (doc or "").strip().splitlines()
    said = lines[0].strip().rstrip(".") if lines else ""
    if not said or len(said) > LONGEST or _SIGNATURE.match(said):
        said = method.strip("_").replace("_", " ")
    return f"{model_label}: {said}" if model_label else said
