# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""SIGTERM: what runs comes to its end, what only was claimed goes back."""

import signal

JOBS = 12
LONG_SECONDS = 1.5


def test_nothing_is_left_claimed(make_server, database):
    """One worker and many slots: most leases wait in the accept queue."""
    server = make_server(workers=1, channels="root:6")
    server.wait_runner()
    server.expect_log("connection of lease", "no worker takes the leases")
    uuids = server.client().delay_many(JOBS, "record_run", "stop", LONG_SECONDS)
    database.wait("SELECT count(*) FROM queue_job WHERE state = 'started'")
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(10)
    states = database.states(uuids)
    assert states == {"done": len(database.runs()), "pending": JOBS - states["done"]}
    assert 1 <= states["done"] <= 2  # the first one, perhaps the next
    assert not database.value("SELECT count(*) FROM queue_job WHERE retry > 1")
