# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Three databases of one runner: a maximum for each, and one for all together."""

import pytest

from setup import database as setup_database
from setup.console import SetupError
from tests.harness.waiting import holds, wait_for

TOTAL = 4
SECONDS = 0.4  # of a job

#: Seconds for which the shares are counted, once all have begun.
WINDOW = 30
JOBS = 130

RUNNING = "SELECT count(*) FROM queue_job WHERE state IN ('enqueued', 'started')"
ENDED = "SELECT count(*) FROM queue_job WHERE state = 'done'"
_TOTAL = "SELECT total_capacity, total_running FROM queue_job_runner WHERE leader"


@pytest.fixture
def databases(database, make_database):
    return [database, make_database(), make_database()]


def serve(make_server, databases, **settings):
    server = make_server(
        workers=TOTAL + 1,
        options={"db_name": ",".join(each.name for each in databases)},
        sections={"queue_job": settings},
    )
    for each in databases:
        server.wait_log(f"queue job runner ready for db {each.name}")
    return server


def delay(server, database, count, seconds=SECONDS):
    server.database = database.name
    return server.client().delay_many(count, "record_run", database.name, seconds)


def most_at_once(databases):
    """How many jobs ran at the same time in all databases, at most."""
    events = []
    for each in databases:
        for _tag, _pid, _uid, start, end in each.runs():
            events += [(start, 1), (end, -1)]
    running = most = 0
    for _moment, step in sorted(events):
        running += step
        most = max(most, running)
    return most


def test_the_slots_go_round(make_server, databases):
    """All have work: equal shares, never more than the total; a late one waits for a
    lease only."""
    server = serve(make_server, databases, max_capacity=TOTAL)
    for each in databases:
        delay(server, each, JOBS)
    for each in databases:
        each.wait(ENDED)
    before = [each.value(ENDED) for each in databases]
    holds(
        lambda: sum(each.value(RUNNING) for each in databases) <= TOTAL + 1,
        "no more than the total, read one after the other",
        seconds=WINDOW,
    )
    after = [each.value(ENDED) for each in databases]
    shares = [new - old for new, old in zip(after, before, strict=True)]
    mean = sum(shares) / len(shares)
    assert mean > 0.5 * WINDOW / SECONDS * TOTAL / 3, "the slots are used"
    assert all(abs(share - mean) <= 0.1 * mean for share in shares), shares
    capacity, running = databases[0].rows(_TOTAL)[0]
    assert capacity == TOTAL >= running > 1
    for each in databases:
        each.rows("DELETE FROM queue_job WHERE state = 'pending'")
    for each in databases:
        each.wait(f"SELECT ({RUNNING}) = 0")
    assert most_at_once(databases) == TOTAL


def test_each_has_its_maximum_and_a_late_one_its_turn(make_server, databases):
    first, second, third = databases
    server = serve(
        make_server,
        databases,
        max_capacity=TOTAL,
        db_max_capacity=f"{first.name}:3,{second.name[:-1]}?:1,*:2",
    )
    uuids = delay(server, first, 40)
    wait_for(lambda: first.value(RUNNING) == 3, "its own maximum")
    late = delay(server, second, 1)
    assert second.wait_settled(late, seconds=5) == {"done": 1}
    more = delay(server, third, 10)
    assert third.wait_settled(more) == {"done": 10}
    assert first.wait_settled(uuids) == {"done": 40}
    assert (first.most_at_once(), second.most_at_once()) == (3, 1)
    assert third.most_at_once() <= 2
    assert most_at_once(databases) <= TOTAL


def test_a_lost_database_gives_back_what_it_holds(make_server, databases):
    """It is dropped with all slots taken; the others go on with them."""
    first, second, third = databases
    server = serve(make_server, databases, max_capacity=2)
    server.expect_log(first.name, "odoo.sql_db: bad query", "odoo.http: Exception")
    delay(server, first, 2, 30)
    wait_for(lambda: first.value(RUNNING) == 2, "all slots")
    waiting = {each: delay(server, each, 4) for each in (second, third)}
    first.close()
    setup_database.drop(first.name)
    for each, uuids in waiting.items():
        assert each.wait_settled(uuids, seconds=30) == {"done": 4}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"max_capacity": "many"}, "many is no number of jobs"),
        ({"db_max_capacity": "prod_*"}, "prod_.: an entry is pattern:number"),
    ],
)
def test_a_mistake_keeps_the_server_from_starting(make_server, settings, message):
    with pytest.raises(SetupError, match=message):
        make_server(sections={"queue_job": settings})
