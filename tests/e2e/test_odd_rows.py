# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Rows as raw SQL, imports and restored dumps leave them: each stops itself at most.

All of them are in the table at once, each with a healthy job in its own channel and
one in another. Whatever an odd value is, the healthy jobs run, the odd one runs or
fails with a message that names the column and the value, the log has a line for it and
no traceback of the runner, and everybody who reads jobs goes on reading them.
"""

import json
import re
import subprocess
from typing import NamedTuple

import pytest

from tests.harness.fixtures import database_maker, make_log_directory, server_maker

INT_MAX = 2**31 - 1
TOMORROW = 24 * 3600
FAR = {
    "far": "20000-01-01",
    "bc": "0044-03-15 BC",
    "never": "infinity",
    "ever": "-infinity",
}
DATES = (
    "eta",
    "date_created",
    "date_started",
    "date_enqueued",
    "date_done",
    "date_cancelled",
)
#: By the claim and the start, if the sweep isn't first.
OVERWRITTEN = ("date_started", "date_enqueued")
OVER = ("done", "failed", "cancelled")
TOKEN = "a-token"


class Odd(NamedTuple):
    """What is set, how it may end, and what the failure says."""

    sets: str
    ends: str = "done"
    says: str = ""


DUE = "eta = NULL, scheduled = FALSE, "
ROWS: dict[str, Odd] = {
    **{
        f"{column}_{name}": Odd(
            f"eta = NULL, scheduled = FALSE, {column} = '{date}'"
            if column != "eta"
            else f"scheduled = FALSE, eta = '{date}'",
            "done|failed" if column in OVERWRITTEN else "failed",
            f"{column} = {date.removesuffix(' BC')}",
        )
        for column in DATES
        for name, date in FAR.items()
    },
    **{
        f"scheduled_{name}": Odd(
            f"scheduled = TRUE, eta = '{date}'",
            "failed",
            f"eta = {date.removesuffix(' BC')}",
        )
        for name, date in FAR.items()
    },
    "eta_null": Odd("eta = NULL"),
    "eta_null_scheduled": Odd("eta = NULL, scheduled = TRUE"),
    "eta_past_scheduled": Odd("eta = '2001-01-01', scheduled = TRUE"),
    "eta_past": Odd("eta = '0001-01-01', scheduled = FALSE"),
    "scheduled_null": Odd("eta = NULL, scheduled = NULL"),
    "created_null": Odd(f"{DUE} date_created = NULL"),
    "created_first": Odd(f"{DUE} date_created = '0001-01-01'"),
    "created_last": Odd(f"{DUE} date_created = '9999-11-30'"),
    "channel_null": Odd(f"{DUE} channel = NULL"),
    "channel_empty": Odd(f"{DUE} channel = ''"),
    "channel_unknown": Odd(f"{DUE} channel = 'no.such.channel'"),
    "channel_odd": Odd(f"{DUE} channel = E' root..%s''\"\\n.ä '"),
    "channel_deep": Odd(f"{DUE} channel = repeat('a.', 5000) || 'a'"),
    "channel_long": Odd(f"{DUE} channel = 'root.' || repeat('ä', 1200)"),
    "function_long": Odd(
        f"{DUE} channel_method_name = (SELECT string_agg(md5(i::text), '')"
        " FROM generate_series(1, 200) i)"
    ),
    "priority_null": Odd(f"{DUE} priority = NULL"),
    "priority_max": Odd(f"{DUE} priority = {INT_MAX}"),
    "priority_min": Odd(f"{DUE} priority = -{INT_MAX} - 1"),
    "retry_null": Odd(f"{DUE} retry = NULL, max_retries = NULL"),
    "retry_negative": Odd(f"{DUE} retry = -5, max_retries = -5"),
    "retry_max": Odd(f"{DUE} retry = {INT_MAX}, max_retries = 0"),
    "timeout_negative": Odd(f"{DUE} timeout = -5"),
    "timeout_max": Odd(f"{DUE} timeout = {INT_MAX}"),
    "token_null": Odd(f"{DUE} claim_token = NULL"),
    "token_max": Odd(f"{DUE} claim_token = {INT_MAX}"),
    "token_min": Odd(f"{DUE} claim_token = -{INT_MAX} - 1"),
    "lease": Odd(f"{DUE} lease_id = 7, worker_pid = -1, worker_host = ''"),
    "state_unknown": Odd(f"{DUE} state = 'garbage'", "failed", "state = garbage"),
    "state_empty": Odd(f"{DUE} state = ''", "failed", "state = "),
    "waits_for_nobody": Odd(f"{DUE} state = 'wait_dependencies'"),
    "enqueued": Odd(f"{DUE} state = 'enqueued'"),
    "enqueued_odd": Odd(
        f"{DUE} state = 'enqueued', lease_id = -1, claim_token = {INT_MAX},"
        " date_enqueued = '-infinity', date_created = NULL",
        "failed|done",
    ),
    "started": Odd(f"{DUE} state = 'started', claim_token = {INT_MAX}"),
    "started_odd": Odd(
        f"{DUE} state = 'started', claim_token = {INT_MAX}, retry = {INT_MAX},"
        " date_started = 'infinity', max_retries = 0, timeout = -1",
        "failed|done",
    ),
    "started_ages_ago": Odd(
        f"{DUE} state = 'started', date_started = '-infinity', timeout = 60",
        "failed|done",
    ),
    "started_spent": Odd(
        f"{DUE} state = 'started', claim_token = {INT_MAX}, retry = {INT_MAX},"
        " date_started = '20000-01-01', date_created = '-infinity'",
        "failed",
        "found dead",
    ),
    "gate_without_state": Odd(
        "eta = NULL, gate = 'sequence:a', gate_state = NULL, gate_limit = NULL"
    ),
    "gate_without_channel": Odd(
        "eta = NULL, gate = 'sequence:b', gate_state = 'new', channel = NULL"
    ),
    "gate_state_unknown": Odd(
        "eta = NULL, scheduled = TRUE, gate = 'sequence:c', gate_state = 'garbage'"
    ),
    "gate_limit_odd": Odd(
        "eta = NULL, gate = 'concurrency:d', gate_state = 'waiting',"
        " scheduled = TRUE, gate_limit = -7"
    ),
    "gate_limit_max": Odd(
        "eta = NULL, gate = 'concurrency:e', gate_state = 'new',"
        f" gate_limit = {INT_MAX}"
    ),
    "gate_state_alone": Odd("eta = NULL, scheduled = TRUE, gate_state = 'waiting'"),
    "gate_state_new_alone": Odd("eta = NULL, scheduled = TRUE, gate_state = 'new'"),
    "gate_later": Odd(
        "eta = NULL, scheduled = TRUE, gate = 'sequence:f', gate_state = 'later',"
        " gate_limit = 0"
    ),
    "records_null": Odd(f"{DUE} records = NULL", "failed", "."),
    "records_empty": Odd(f"{DUE} records = '{{}}'", "failed", "."),
    "records_broken": Odd(
        f"{DUE} records = to_jsonb('{{broken'::text)", "failed", "records = {broken"
    ),
    "records_list": Odd(
        f"{DUE} records = to_jsonb('[1]'::text)", "failed", r"records = \[1\]"
    ),
    "args_null": Odd(f"{DUE} args = NULL"),
    "args_broken": Odd(
        f"{DUE} args = to_jsonb('[broken'::text)", "failed", r"args = \[broken"
    ),
    "args_number": Odd(f"{DUE} args = '5'", "failed", "args = 5"),
    "args_object": Odd(
        f"{DUE} args = to_jsonb('{{\"a\": 1}}'::text)", "failed", "args = "
    ),
    "kwargs_null": Odd(f"{DUE} kwargs = NULL"),
    "kwargs_list": Odd(
        f"{DUE} kwargs = to_jsonb('[1]'::text)", "failed", r"kwargs = \[1\]"
    ),
    "kwargs_broken": Odd(
        f"{DUE} kwargs = to_jsonb('{{x'::text)", "failed", "kwargs = {x"
    ),
    "model_null": Odd(f"{DUE} model_name = NULL", "failed|done"),
    "method_null": Odd(f"{DUE} method_name = NULL", "failed", "."),
    "names_null": Odd(
        f"{DUE} name = NULL, func_string = NULL, channel_method_name = NULL,"
        " user_id = NULL, company_id = NULL, job_function_id = NULL"
    ),
    "dependencies_broken": Odd(f"{DUE} dependencies = 'no json'"),
    "dependencies_list": Odd(f"{DUE} dependencies = '[1]'"),
    "dependencies_number": Odd(f"{DUE} dependencies = '{{\"depends_on\": 5}}'"),
    "options_list": Odd(f"{DUE} options = '[]'"),
    "options_text": Odd(f"{DUE} options = '\"x\"'", "failed|done"),
    "options_number": Odd(f"{DUE} options = '5'", "failed|done"),
    "expires_broken": Odd(
        f'{DUE} options = \'{{"expires": "garbage"}}\'', "failed", "expires"
    ),
    "expires_number": Odd(f"{DUE} options = '{{\"expires\": 5}}'", "failed", "expires"),
    "expires_zone": Odd(
        f'{DUE} options = \'{{"expires": "2999-01-01T00:00:00+02:00"}}\''
    ),
    "exec_time_nan": Odd(f"{DUE} exec_time = 'NaN'"),
    "exec_time_inf": Odd(f"{DUE} exec_time = 'infinity'"),
    "text_large": Odd(
        f"{DUE} exc_info = repeat('x', 5000000), name = repeat('y', 200000),"
        " result = repeat('z', 3000000)"
    ),
    "slot_stale": Odd(
        f"{DUE} identity_key = 'stale', identity_slot = 'other',"
        " identity_scope = 'garbage'"
    ),
    "graph_odd": Odd(f"{DUE} graph_uuid = ''"),
    "signal_odd": Odd(f"{DUE} state = 'started', claim_token = 3"),
    "waits_for_itself": Odd(f"{DUE} state = 'wait_dependencies'", "wait_dependencies"),
    # what is over stays so, and can be read
    **{
        f"{state}_{column}_{name}": Odd(
            f"{DUE} state = '{state}', {column} = '{FAR[name]}'", state
        )
        for state in OVER
        for column, name in (
            ("date_created", "far"),
            ("date_done", "never"),
            ("date_cancelled", "bc"),
            ("date_started", "ever"),
        )
    },
    "done_exec_time": Odd(f"{DUE} state = 'done', exec_time = 'NaN'"),
}

CHANNELS = """
UPDATE queue_job_channel SET capacity = NULL, removal_interval = 2147483647,
       failed_removal_interval = -5 WHERE complete_name = 'root';
INSERT INTO queue_job_channel (name, complete_name, capacity, throttle, rate_limit,
                               rate_period, removal_interval, paused) VALUES
    (NULL, NULL, 5, 0, 0, 60, 30, FALSE),
    ('', '', 99, 0, 0, 60, 30, TRUE),
    (' . ', ' . ', 99, 0, 0, 60, 30, TRUE),
    ('negative', 'root.negative', -5, -5, -5, -5, -5, NULL),
    ('max', 'root.max', 2147483647, 0, 2147483647, 2147483647, 2147483647, NULL),
    ('zero', 'root.zero', 0, 0, 1000, 0, 0, NULL),
    ('null', 'root.null', NULL, NULL, NULL, NULL, 0, NULL),
    ('odd', E'root.%s''"\\n', 1, NULL, NULL, NULL, 0, NULL),
    ('both', 'root.both', 5, 0, 5, 60, 0, FALSE),
    ('a', 'root.a', 0, 0, 0, 60, 0, NULL), ('b', 'root.b', 0, 0, 0, 60, 0, NULL);
UPDATE queue_job_channel SET sequential = TRUE WHERE name = 'both';
UPDATE queue_job_channel c SET parent_id = p.id FROM queue_job_channel p
 WHERE (c.name, p.name) IN (('a', 'b'), ('b', 'a'));
"""
RELEASE = """
UPDATE queue_job SET eta = NULL, scheduled = FALSE WHERE uuid = ANY(%s)
"""
#: What the log says of odd rows.
EXPECTED = (
    "odd value in its row",
    "The job can't be loaded",
    "re-queued dead job",
    "ends without its worker",
)
CHANNEL_NAMES = ("negative", "max", "zero", "null", "odd", "both", "a", "b")

OTHERS = f"""
INSERT INTO queue_job_dependency (parent_id, child_id, condition)
SELECT id, id, 'garbage' FROM queue_job WHERE uuid = %(itself)s;
INSERT INTO queue_job_signal (job_id, claim_token, kind)
SELECT id, 3, 'garbage' FROM queue_job WHERE uuid = %(signal)s;
INSERT INTO queue_job_signal (job_id, claim_token, kind, date)
SELECT id, 4, 'garbage', 'infinity' FROM queue_job WHERE uuid = %(signal)s;
INSERT INTO queue_job_runner (uuid, host, pid, last_seen, leader, listening) VALUES
    ('x', NULL, NULL, NULL, NULL, NULL), ('y', '', -1, 'infinity', NULL, NULL),
    ('z', '', {INT_MAX}, '-infinity', FALSE, NULL),
    ('f', '', 0, '20000-01-01', FALSE, NULL);
"""


@pytest.fixture(scope="module")
def server(stack):
    with (
        database_maker(stack) as make_database,
        server_maker(
            stack, make_log_directory("odd-rows"), make_database()
        ) as make_server,
    ):
        server = make_server(4, channels="root:4")
        server.wait_runner()
        yield server


@pytest.fixture(scope="module")
def sown(server):
    """{name: (uuid of the odd job, those of the healthy ones)}, all in the table."""
    server.expect_log(*EXPECTED)
    db, client = server.db, server.client()
    db.rows(
        "INSERT INTO ir_config_parameter (key, value)"
        f" VALUES ('queue_job.metrics_token', '{TOKEN}')"
    )
    options = {"eta": TOMORROW, "channel": "root.other"}
    uuids = client.delay_many(3 * len(ROWS), "record_run", "row", **options)
    jobs = {
        name: (uuids[3 * number], uuids[3 * number + 1 : 3 * number + 3])
        for number, name in enumerate(ROWS)
    }
    db.rows(CHANNELS)
    with db.connect() as connection, connection.cursor() as cursor:
        connection.autocommit = False
        for name, (odd, (behind, _other)) in jobs.items():
            channel = "UPDATE queue_job SET channel = %s WHERE uuid = ANY(%s)"
            cursor.execute(channel, [f"root.{name}", [odd, behind]])
            sets = ROWS[name].sets.replace("%", "%%")
            cursor.execute(f"UPDATE queue_job SET {sets} WHERE uuid = %s", [odd])
        parameters = {
            "itself": jobs["waits_for_itself"][0],
            "signal": jobs["signal_odd"][0],
        }
        cursor.execute(OTHERS, parameters)
        healthy = [uuid for _odd, two in jobs.values() for uuid in two]
        cursor.execute(RELEASE, [healthy])
        connection.commit()
    return jobs


@pytest.mark.parametrize("name", ROWS)
def test_the_healthy_ones_run(server, sown, name):
    _odd, healthy = sown[name]
    assert server.db.wait_settled(healthy, seconds=12) == {"done": 2}


@pytest.mark.parametrize("name", ROWS)
def test_the_odd_one_runs_or_says_why_not(server, sown, name):
    uuid, row = sown[name][0], ROWS[name]
    ends = row.ends.split("|")
    state = server.db.wait_state(uuid, *{*OVER, *ends}, seconds=12)
    message = server.db.job(uuid, "exc_message") or ""
    assert state in ends, message
    if state == "failed" and row.says:
        assert re.search(row.says, message)


@pytest.mark.parametrize("name", CHANNEL_NAMES)
def test_a_channel_with_odd_settings_works(server, sown, name):
    """`sown`: with them in the table."""
    channel = server.db.value(
        "SELECT complete_name FROM queue_job_channel WHERE name = %s", name
    )
    uuids = server.client().delay_many(2, "record_run", name, channel=channel)
    assert server.db.wait_settled(uuids, seconds=20) == {"done": 2}


def test_what_is_odd_is_put_right(server, sown):
    """So that every reader of the table can read it."""
    least = ", ".join(DATES)
    server.db.wait(
        f"SELECT count(*) FROM queue_job WHERE least({least}) < '0001-01-01'"
        f" OR greatest({least}) >= '10000-01-01' OR exec_time > 1e15",
        until=lambda count: not count,
        seconds=10,
    )


def test_everybody_reads_on(server, sown):
    client = server.client()
    fields = {
        name: {}
        for name in client.call("queue.job", "fields_get", [], ["type"])
        if name not in ("message_ids",)
    }
    ids = client.call("queue.job", "search", [])
    assert len(ids) >= 3 * len(ROWS)
    for start in range(0, len(ids), 80):
        client.call("queue.job", "web_read", ids[start : start + 80], fields)
    for grouped in ("state", "channel", "date_created:month", "eta:day"):
        client.call(
            "queue.job",
            "formatted_read_group",
            [],
            [grouped],
            ["__count", "exec_time:avg"],
        )
    for period in ("hour", "day", "week"):
        client.call("queue.job.dashboard", "get_figures", period)
    channels = client.call("queue.job.channel", "search", [])
    client.call(
        "queue.job.channel",
        "web_read",
        channels,
        {name: {} for name in ("complete_name", "running_count", "oldest_wait")},
    )
    for odd, _healthy in sown.values():
        (job,) = client.call("queue.job", "search", [("uuid", "=", odd)])
        client.call("queue.job.dashboard", "get_arguments", job)
    for path in ("/queue_job/metrics", "/queue_job/health"):
        answer = server.get(path, token=TOKEN)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("command", ["list", "stats", "doctor", "prune"])
def test_the_command_line_works(server, sown, command):
    addons = f"--addons-path={server.source.addons_path}"
    launcher = [server.python, server.source.launcher(), addons]
    command = ["queue_job", command, "--json"]
    where = ["-d", server.db.name, "-c", server.directory / "odoo.conf"]
    found = subprocess.run(
        [*launcher, *command, *where, "--logfile="],
        env=server._environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in found.stderr, found.stderr
    assert json.loads(found.stdout) is not None, found.stderr


def test_users_can_change_them(server, sown):
    """Requeue, cancel and set done go through all of them."""
    client = server.client()
    odd = [uuid for uuid, _healthy in sown.values()]
    ids = client.call("queue.job", "search", [("uuid", "in", odd)])
    client.call("queue.job", "button_cancelled", ids)
    states = server.db.states(odd)
    assert set(states) <= set(OVER), states


def test_the_log_has_a_line_for_each_and_no_traceback(server, sown):
    runner = [r for r in server.records() if "jobrunner" in r.logger]
    assert [str(r) for r in runner if "Traceback" in r.message] == []
    assert [str(r) for r in runner if "database lost" in r.message] == []
    for name, (odd, _healthy) in sown.items():
        lines = [r for r in server.records() if r.alarming and odd in r.message]
        assert len(lines) <= 2, name
