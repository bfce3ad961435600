# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people without rights are told of a job."""

from datetime import datetime, timedelta

import pytest

from queue_job.core import plain_words
from queue_job.core.states import ALL_STATES

NOW = datetime(2026, 1, 1)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "eta", "retry", "phase"),
    [
        ("pending", None, 0, "waiting"),
        ("pending", EARLIER, 0, "waiting"),
        ("pending", LATER, 0, "scheduled"),
        ("pending", LATER, 2, "again"),
        ("pending", None, 2, "waiting"),
        ("wait_dependencies", LATER, 0, "after_others"),
        ("enqueued", None, 0, "next"),
        ("started", LATER, 1, "running"),
        ("done", None, 1, "done"),
        ("cancelled", None, 0, "cancelled"),
        ("failed", LATER, 5, "failed"),
    ],
)
def test_the_phase_of_a_job(state, eta, retry, phase):
    assert plain_words.phase(state, eta, retry, NOW) == phase


def test_no_state_but_pending_is_waiting():
    phases = {
        state: plain_words.phase(state, None, 0, NOW)
        for state in ALL_STATES
        if state != "pending"
    }
    assert "waiting" not in phases.values()
    assert len(set(phases.values())) == len(phases)


@pytest.mark.parametrize(
    ("name", "message", "shown"),
    [
        ("odoo.exceptions.UserError", " The shop is closed ", "The shop is closed"),
        ("odoo.exceptions.ValidationError", "Too long", "Too long"),
        ("odoo.addons.queue_job.exception.JobTimeout", "Too slow", "Too slow"),
        ("KeyError", "'password'", None),
        ("psycopg2.errors.UniqueViolation", "Key (login)=(bob)", None),
        ("UserError", "of another module", None),
        (None, "x", None),
        ("odoo.exceptions.UserError", None, None),
        ("odoo.exceptions.UserError", "", None),
    ],
)
def test_only_what_was_written_for_people_is_shown(name, message, shown):
    assert plain_words.readable_error(name, message) == shown


def test_a_long_error_is_shortened():
    error = plain_words.readable_error("odoo.exceptions.UserError", "x" * 1000)
    assert len(error) == plain_words.LONGEST
    assert error.endswith("…")


@pytest.mark.parametrize(
    ("action", "link"),
    [
        ({"type": "ir.actions.act_url", "url": "/my/orders"}, "/my/orders"),
        ({"type": "ir.actions.act_url", "url": "https://a.b/c"}, "https://a.b/c"),
        ({"type": "ir.actions.act_url", "url": "HTTP://a.b"}, "HTTP://a.b"),
        ({"type": "ir.actions.act_url", "url": "javascript:alert(1)"}, None),
        ({"type": "ir.actions.act_url", "url": "data:text/html,x"}, None),
        ({"type": "ir.actions.act_url", "url": "//evil.example"}, None),
        ({"type": "ir.actions.act_url", "url": "/\\evil.example"}, None),
        ({"type": "ir.actions.act_url", "url": 5}, None),
        ({"type": "ir.actions.act_url"}, None),
        ({"type": "ir.actions.act_window", "url": "/x"}, None),
        (None, None),
        ("text", None),
    ],
)
def test_the_link_of_a_result(action, link):
    assert plain_words.link_of(action) == link
