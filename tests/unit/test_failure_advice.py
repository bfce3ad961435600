# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is advised about which exception."""

import ast
from pathlib import Path

import pytest

from queue_job.core.retry import DEAD_NAME, Cause, Fail, decide
from queue_job.monitoring.failure_advice import CLASSES, advice

TEXTS = Path(__file__).parents[2] / "queue_job/monitoring/advice_texts.py"

CASES = [
    ("odoo.addons.queue_job.exception.JobTimeout", "", "timeout"),
    (DEAD_NAME, "Job found dead after too many retries", "dead"),
    ("MemoryError", "", "memory"),
    ("odoo.exceptions.AccessError", "You may not", "rights"),
    ("odoo.exceptions.MissingError", "", "missing"),
    ("odoo.exceptions.UserError", "No VAT number", "data"),
    ("odoo.exceptions.ValidationError", "", "data"),
    ("psycopg2.errors.UniqueViolation", "", "data"),
    ("psycopg2.errors.SerializationFailure", "", "conflict"),
    ("psycopg2.errors.DiskFull", "", "disk"),
    ("requests.exceptions.ConnectionError", "", "remote"),
    ("requests.exceptions.MissingSchema", "", "remote"),
    ("ConnectionError", "The shop does not answer", "remote"),
    ("smtplib.SMTPRecipientsRefused", "", "remote"),
    ("odoo.addons.queue_job.exception.FailedJobError", "No stock", "given_up"),
    ("KeyError", "The job can't be loaded: 'sale.old'", "code_gone"),
    ("KeyError", "'name'", "program"),
    ("shop.errors.Oops", "", "program"),
    ("", "", "program"),
]


@pytest.mark.parametrize("exc_name, message, expected", CASES)
def test_advice(exc_name, message, expected):
    assert advice(exc_name, message) == expected


@pytest.mark.parametrize(
    "cause, expected",
    [
        (Cause.DEAD, "dead"),
        (Cause.TIMEOUT, "timeout"),
        (Cause.RETRYABLE, "exhausted"),
        (Cause.CONFLICT, "exhausted"),
    ],
)
def test_what_the_queue_itself_decides_is_known(cause, expected):
    decision = decide(cause, 5, 5)
    assert isinstance(decision, Fail)
    assert advice(decision.exc_name, decision.exc_message) == expected


def test_what_job_loading_writes_is_known():
    source = TEXTS.parents[1] / "worker/job_loading.py"
    assert "f\"The job can't be loaded: " in source.read_text()


def test_every_code_has_a_text_and_every_text_a_case():
    (table,) = (
        node.value
        for node in ast.parse(TEXTS.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "TEXTS"
    )
    texts = {key.value for key in table.keys}
    assert texts == {expected for *_case, expected in CASES} | {"exhausted"}
    assert set(CLASSES) <= texts
