# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Keys and rates on a real prefork server: order and limits, a worker killed amidst."""

from collections import Counter

import pytest

from tests.harness.waiting import wait_for

CHANNELS = "root:4,sub:4"
ROUNDS = 10
KEYS = {
    **{f"s{number}": {"sequence_key": f"s{number}"} for number in range(3)},
    **{
        f"c{number}": {"concurrency_key": f"c{number}", "concurrency_limit": 2}
        for number in range(3)
    },
}


@pytest.fixture
def server(make_server):
    server = make_server(4, channels=CHANNELS)
    server.wait_runner()
    return server


def test_order_and_limits_hold_when_a_worker_is_killed(server, tmp_path):
    server.expect_log("re-queued dead job")
    server.expect_log("the connection of lease")
    log = tmp_path / "runs"
    db, client = server.db, server.client()
    names = {}
    for _round in range(ROUNDS):
        for name, options in KEYS.items():
            names[_delay(client, "leave_mark", [str(log), 0.05], options)] = name
    killed = _kill_a_busy_worker(server, log)
    assert db.wait_settled(list(names), seconds=120) == {"done": len(names)}
    most, order = _replay(log, names, killed)
    for name in KEYS:
        assert most[name] <= (1 if name.startswith("s") else 2), name
    for name in ("s0", "s1", "s2"):
        assert order[name] == [uuid for uuid, key in names.items() if key == name]
    marks = "SELECT count(*) FROM test_queue_job_probe WHERE tag = 'mark'"
    assert db.value(marks) == len(names)
    held = "SELECT count(*) FROM queue_job WHERE gate_state IS NOT NULL"
    db.wait(held, what="nothing is held or marked", until=lambda count: count == 0)


def test_a_failure_stops_a_sequence(server):
    server.expect_log("The probe bad fails")
    client, db = server.client(), server.db
    options = {"sequence_key": "a"}
    bad = _delay(client, "write_and_fail", ["bad"], options)
    behind = _delay(client, "record_run", ["behind"], options)
    other = _delay(client, "record_run", ["other"], {"sequence_key": "b"})
    assert db.wait_state(bad, "failed") == "failed"
    db.wait_state(other, "done")
    assert db.job(behind, "state") == "pending"
    (job,) = client.call("queue.job", "search", [("uuid", "=", bad)])
    client.call("queue.job", "button_cancelled", [job])
    db.wait_state(behind, "done")


def test_a_rate_is_in_force_at_once_and_after_a_failover(server):
    """Five in a period that outlasts the test: five start, whoever leads."""
    client, db = server.client(), server.db
    root = client.call("queue.job.channel", "search", [("name", "=", "root")])
    values = {"name": "rated", "parent_id": root[0]}
    (channel,) = client.call("queue.job.channel", "create", [values])
    options = {"channel": "root.rated"}
    first = _delay(client, "record_run", ["rated"], options)
    db.wait_state(first, "done")
    rate = {"rate_limit": 5, "rate_period": 3600}
    client.call("queue.job.channel", "write", [channel], rate)
    uuids = [_delay(client, "record_run", ["rated"], options) for _n in range(8)]
    _wait_done(db, uuids, 4)
    server.kill_pid(server.runner_pid())
    server.wait_runner()
    again = _delay(client, "record_run", ["other"], {})
    db.wait_state(again, "done")
    assert db.states(uuids) == {"done": 4, "pending": 4}
    client.call("queue.job.channel", "write", [channel], {"rate_limit": 7})
    _wait_done(db, uuids, 6)
    assert db.states(uuids) == {"done": 6, "pending": 2}
    client.call("queue.job.channel", "write", [channel], {"rate_limit": 0})
    _wait_done(db, uuids, 8)


def _wait_done(db, uuids, count):
    wait_for(
        lambda: db.states(uuids).get("done", 0),
        f"{count} done",
        until=lambda done: done >= count,
    )


def _delay(client, method, args, options):
    return client.call("test.queue.job.probe", "delay", method, args, options)


def _kill_a_busy_worker(server, log) -> int:
    """Kill a worker in the midst of a job; return its process id."""

    def events():
        return [line.split() for line in log.read_text().splitlines()]

    wait_for(lambda: log.exists() and len(events()) > 20, "some jobs have run")

    def busy():
        ended = {uuid for event, uuid, *_rest in events() if event == "end"}
        pids = [
            int(pid)
            for event, uuid, pid, _moment in events()
            if event == "start" and uuid not in ended
        ]
        return pids[:1]

    (pid,) = wait_for(busy, "a busy worker")
    server.kill_pid(pid)
    return pid


def _replay(log, names, killed):
    """Return how many jobs of each key ran at a time, and the order of their starts."""
    running, most, order = {}, Counter(), {name: [] for name in KEYS}
    lines = sorted(
        (line.split() for line in log.read_text().splitlines()),
        key=lambda line: float(line[3]),
    )
    last_of_killed = max(float(line[3]) for line in lines if int(line[2]) == killed)
    for event, uuid, pid, moment in lines:
        if float(moment) > last_of_killed:  # what it ran has ended with it
            running = {job: at for job, at in running.items() if at != killed}
        if event == "end":
            running.pop(uuid, None)
            continue
        running[uuid] = int(pid)
        name = names[uuid]
        if uuid not in order[name]:
            order[name].append(uuid)
        most[name] = max(most[name], sum(names[job] == name for job in running))
    return most, order
