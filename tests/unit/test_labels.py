# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How job functions are called."""

import pytest

from queue_job.core.labels import function_label


@pytest.mark.parametrize(
    "model, method, doc, expected",
    [
        ("Contact", "_import_rows", "Import the rows.\n\nMore.", "Import the rows"),
        ("Contact", "_import_rows", "\n    Import the rows\n    ", "Import the rows"),
        ("Contact", "_import_rows", None, "import rows"),
        ("Contact", "write", " write(vals)\n\nUpdate", "write"),
        ("Contact", "write", ":param vals: of the records", "write"),
        ("Contact", "push", "x" * 81, "push"),
    ],
)
def test_label(model, method, doc, expected):
    assert function_label(model, method, doc) == f"{model}: {expected}"


def test_a_model_that_is_gone():
    assert function_label("", "push_all", None) == "push all"
