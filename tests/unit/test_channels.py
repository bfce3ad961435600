# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What may start when: scenarios on a tree of channels."""

import doctest

import pytest

from queue_job.jobrunner import channels
from queue_job.jobrunner.channels import (
    NOT_DONE,
    Channel,
    ChannelManager,
    ChannelNotFound,
    ChannelSettings,
    SharedSlots,
)
from queue_job.jobrunner.schedule import channel, channel_queue, slots


class Board:
    """A manager of one database, and short ways to tell it things."""

    def __init__(self, config, shared=None, db_name="db"):
        self.manager = ChannelManager(shared, db_name if shared else None)
        self.manager.simple_configure(config)
        self.db_name = db_name

    def tell(self, state, *names, priority=10, eta=None, channel=None):
        """Job A2 is number 2 of channel A."""
        for name in names:
            number = int(name[1:])
            path = channel or name[0]
            args = (path, name, number, 0, priority, eta, state)
            self.manager.notify(self.db_name, *args)

    def start(self, now=0):
        return [job.uuid for job in self.manager.get_jobs_to_run(now)]

    @property
    def wakeup(self):
        return self.manager.get_wakeup_time()

    def text(self, name="root"):
        return str(self.manager.get_channel_by_name(name))


@pytest.mark.parametrize("module", [channel, channel_queue, channels, slots])
def test_doctests(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


# -- scenarios -------------------------------------------------------------------------


def test_capacities_and_priorities():
    board = Board("root:4,A:4,B:1")
    board.tell("pending", "A1", "A2", "A3", "A4", "A5", "A6")
    board.tell("pending", "B1", "B2", priority=5)
    assert board.start() == ["B1", "A1", "A2", "A3"]
    assert board.start() == []
    board.tell("done", "A2")
    assert board.start() == ["A4"]
    board.tell("done", "B1", priority=5)
    assert board.start() == ["B2"]
    board.tell("done", "A1")
    board.tell("pending", "A6", priority=5)
    assert board.start() == ["A6"]
    assert board.text("A") == "root.A(C:4,Q:1,R:3,F:0)"


def test_throttle_spaces_the_starts():
    board = Board("root:4,A:4:throttle=2")
    board.tell("pending", "A1", "A2")
    assert (board.start(100), board.wakeup) == (["A1"], 102)
    assert (board.start(101), board.wakeup) == ([], 102)
    assert (board.start(102), board.wakeup) == (["A2"], 104)
    assert (board.start(104), board.wakeup) == ([], 0)


def test_a_start_that_did_not_happen_makes_nobody_wait():
    board = Board("root:4,A:4:throttle=2")
    board.tell("pending", "A1", "A2")
    assert (board.start(100), board.wakeup) == (["A1"], 102)
    board.manager.take_back("A1", 100)
    assert (board.start(101), board.wakeup) == (["A2"], 103)
    board.manager.take_back("A1", 100)
    assert (board.start(102), board.text("A")) == ([], "root.A(C:4,Q:0,R:1,F:0)")


def test_throttle_below_a_full_channel():
    board = Board("root:4,T:2:throttle=2")
    board.tell("pending", "T1", "T2", "T3")
    assert board.start(100) == ["T1"]
    assert board.start(102) == ["T2"]
    assert (board.start(103), board.wakeup) == ([], 0)
    board.tell("done", "T1")
    assert (board.start(105), board.wakeup) == (["T3"], 0)
    board.tell("done", "T2")
    assert board.wakeup == 107


def test_a_postponed_job_waits_for_its_eta():
    board = Board("root:4,E:1")
    board.tell("pending", "E1", "E2")
    assert board.start(100) == ["E1"]
    board.tell("pending", "E1", eta=105)
    assert board.wakeup == 105
    assert board.start(102) == ["E2"]
    assert (board.start(106), board.wakeup) == ([], 0)
    board.tell("done", "E2")
    assert board.wakeup == 105
    assert board.start(107) == ["E1"]


def test_sequential_keeps_the_order_at_any_price():
    board = Board("root:4,S:1:sequential")
    board.tell("failed", "S1")
    board.tell("pending", "S2", eta=105)
    board.tell("pending", "S3")
    assert (board.start(100), board.wakeup) == ([], 0)
    board.tell("pending", "S1")
    assert board.wakeup == 105
    assert board.start(101) == ["S1"]
    board.tell("done", "S1")
    assert (board.start(102), board.wakeup) == ([], 105)
    assert board.start(105) == ["S2"]
    board.tell("done", "S2")
    assert board.start(106) == ["S3"]


def test_pausing_a_parent_pauses_what_is_below():
    board = Board("root:4,P:2:paused,P.sub:1")
    board.tell("pending", "P1")
    board.tell("pending", "P2", channel="P.sub")
    assert (board.start(), board.wakeup) == ([], 0)
    board.manager.simple_configure("P:2")
    assert sorted(board.start()) == ["P1", "P2"]
    board.manager.simple_configure("root:4:paused")
    board.tell("pending", "A1")
    assert board.start() == []
    assert board.text() == "root(C:4,Q:0,R:2,F:0,paused)"


# -- rules -----------------------------------------------------------------------------


def test_due_jobs_compete_by_priority_not_by_eta():
    board = Board("root:1")
    board.tell("pending", "A1", eta=5)
    board.tell("pending", "A2", eta=6, priority=1)
    assert board.start(4) == []
    assert board.start(6) == ["A2"]


def test_what_runs_already_counts_even_beyond_the_capacity():
    board = Board("root:2")
    board.tell("started", "A1", "A2")
    board.tell("enqueued", "A3")
    board.tell("pending", "A4")
    assert board.start() == []
    assert board.text() == "root(C:2,Q:0,R:3,F:0)"
    board.tell("done", "A1", "A2")
    assert board.start() == ["A4"]


@pytest.mark.parametrize("state", ["done", "cancelled", "wait_dependencies", None, ""])
def test_a_job_that_is_over_or_waits_for_others_is_forgotten(state):
    board = Board("root:2")
    board.tell("pending", "A1")
    board.tell(state, "A1")
    assert board.start() == []
    assert not board.manager._jobs


def test_an_unknown_state_is_no_reason_to_stop(caplog):
    board = Board("root:2")
    board.tell("pending", "A1")
    board.tell("dreaming", "A2")
    assert board.start() == ["A1"]
    assert "A2" in caplog.text


def test_a_job_without_creation_date_comes_first():
    board = Board("root:2")
    board.manager.notify("db", None, "old", 1, 7, 10, None, "pending")
    board.manager.notify("db", None, "undated", 2, None, None, None, "pending")
    assert board.start() == ["undated", "old"]


def test_a_job_may_move_to_another_channel():
    board = Board("root:2,A:1,B:1")
    board.tell("pending", "A1")
    board.tell("pending", "A1", channel="B")
    assert board.text("A") == "root.A(C:1,Q:0,R:0,F:0)"
    assert board.text("B") == "root.B(C:1,Q:1,R:0,F:0)"


def test_two_databases_may_hold_the_same_uuid():
    board = Board("root:4")
    for db_name in ("one", "two"):
        board.manager.notify(db_name, None, "copy", 1, 0, 10, None, "pending")
    jobs = board.manager.get_jobs_to_run(0)
    assert sorted(job.db_name for job in jobs) == ["one", "two"]
    board.manager.remove_db("one")
    assert board.text() == "root(C:4,Q:0,R:1,F:0)"
    board.manager.remove_job("copy")
    assert board.text() == "root(C:4,Q:0,R:0,F:0)"


def test_an_unknown_channel_counts_against_its_nearest_ancestor():
    board = Board("root:4,sub:1")
    board.tell("pending", "A1", "A2", channel="root.sub.not.configured")
    assert board.start() == ["A1"]
    get = board.manager.get_channel_by_name
    assert get("sub.not.configured") is get(
        "root.sub.not.configured", parent_fallback=True
    )
    with pytest.raises(ChannelNotFound, match="Channel other not found"):
        get("other")
    assert get(None) is get("root") is board.manager._root_channel


def test_a_sequential_channel_has_one_slot():
    with pytest.raises(ValueError, match="must have a capacity of 1"):
        Channel("s", None).configure({"name": "s", "capacity": 2, "sequential": True})


def test_states_are_known_here():
    assert "pending" in NOT_DONE and "failed" in NOT_DONE
    assert channels.PENDING == "pending" and channels.DONE == "done"


# -- settings of the database ----------------------------------------------------------


def test_settings_change_while_jobs_run():
    board = Board("root:4")
    board.manager.apply_settings([ChannelSettings("root.A", 1)])
    board.tell("pending", "A1", "A2", "A3", "A4")
    assert board.start() == ["A1"]
    board.manager.apply_settings([ChannelSettings("root.A", 3)])
    assert board.start() == ["A2", "A3"]
    board.manager.apply_settings([ChannelSettings("root.A", 1)])
    board.tell("done", "A1")
    assert board.start() == []
    assert board.text("A") == "root.A(C:1,Q:1,R:2,F:0)"
    board.manager.apply_settings([ChannelSettings("root.A", 9, False, 0, True)])
    assert board.start() == []
    board.manager.apply_settings([])  # the channel is gone: no limit
    assert board.start() == ["A4"]


def test_the_configuration_string_wins_over_the_database():
    board = Board("root:4,A:2")
    board.manager.apply_settings(
        [ChannelSettings("root", 1), ChannelSettings("root.A", 1)]
    )
    board.tell("pending", "A1", "A2", "A3")
    assert board.start() == ["A1", "A2"]


def test_a_pause_holds_whoever_sets_the_capacity():
    board = Board("root:4,A:2,P:2:paused")
    board.tell("pending", "A1", "P1")
    paused = ChannelSettings("root", 1, paused=True)
    board.manager.apply_settings([paused])
    assert board.start() == []
    assert board.text() == "root(C:4,Q:0,R:0,F:0,paused)"
    board.manager.apply_settings([ChannelSettings("root", 1), ChannelSettings("P")])
    assert board.start() == ["A1"], "the string's own pause of P stays"


def test_root_has_one_slot_unless_somebody_says_otherwise():
    board = Board("A:2")
    assert board.text() == "root(C:1,Q:0,R:0,F:0)"
    board.manager.apply_settings([ChannelSettings("root", 3)])
    assert board.text() == "root(C:3,Q:0,R:0,F:0)"
    board.manager.apply_settings([ChannelSettings("root", 0)])
    assert board.text() == "root(C:1,Q:0,R:0,F:0)"


def test_root_has_a_slot_for_each_job_worker_unless_somebody_says_otherwise():
    manager = ChannelManager(root_capacity=3)
    for capacity, expected in ((0, 3), (2, 2), (-1, 3)):
        manager.apply_settings([ChannelSettings("root", capacity)])
        root = manager.get_channel_by_name("root")
        assert str(root) == f"root(C:{expected},Q:0,R:0,F:0)"
    manager.simple_configure("root:1")
    manager.apply_settings([ChannelSettings("root", 2)])
    assert str(manager.get_channel_by_name("root")) == "root(C:1,Q:0,R:0,F:0)"


def test_strange_rows_do_no_harm():
    board = Board("root:4")
    board.manager.apply_settings(
        [ChannelSettings("root.A", 5, True, -3), ChannelSettings("root.B", -2, False)]
    )
    assert board.text("A") == "root.A(C:1,Q:0,R:0,F:0)"
    assert board.text("B") == "root.B(C:∞,Q:0,R:0,F:0)"


def test_a_throttle_that_is_lifted_is_over_at_once():
    board = Board("root:4")
    board.manager.apply_settings([ChannelSettings("A", 0, False, 60)])
    board.tell("pending", "A1", "A2")
    assert (board.start(100), board.wakeup) == (["A1"], 160)
    board.manager.apply_settings([])
    assert (board.start(101), board.wakeup) == (["A2"], 0)


# -- the window of the runner ----------------------------------------------------------


def test_candidates_are_forgotten_what_runs_is_not():
    board = Board("root:1")
    board.tell("pending", "A1", "A2")
    board.tell("failed", "A3")
    assert board.start() == ["A1"]
    board.manager.clear_candidates()
    assert board.text("A") == "root.A(C:∞,Q:0,R:1,F:0)"
    board.tell("done", "A1")
    assert board.start() == []
    assert not board.manager._jobs


def test_free_slots():
    board = Board("root:4,A:3,A.t:2:throttle=5,S:1:sequential,P:1:paused,U:0")
    free = board.manager.free_slots
    assert {name: free(name, 100) for name in ("root", "A", "A.t", "S", "U", "X")} == {
        "root": 4,
        "A": 3,
        "A.t": 1,
        "S": 1,
        "U": 4,
        "X": 4,
    }
    board.tell("pending", "A1", channel="A.t")
    board.tell("started", "S1")
    assert board.start(100) == ["A1"]
    assert (free(None, 100), free("A", 100), free("A.t", 100)) == (2, 2, 0)
    assert not board.manager.has_free_capacity("S", 100)
    assert free("A.t", 105) == 1
    board.manager.simple_configure("root:0")
    assert free("U", 100) == channel.UNLIMITED


def test_sequential():
    board = Board("root:4,T:4:throttle=1,S:1:sequential")
    manager = board.manager
    assert [manager.is_sequential(name) for name in ("T", "S", "S.a")] == [
        False,
        True,
        False,
    ]


# -- several databases -----------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def shared():
    return SharedSlots(Clock())


def make_boards(shared, config, names="xyz"):
    boards = {name: Board(config, shared, name) for name in names}
    calls = []
    for name in names:
        shared.listen(name, lambda name=name: calls.append(name))
    return boards, calls


def test_databases_share_what_the_configuration_string_names(shared):
    boards, _calls = make_boards(shared, "root:3,A:1", "xy")
    boards["x"].tell("pending", "A1", "B2")
    boards["y"].tell("pending", "A1", "B2", "B3")
    assert boards["x"].start() == ["A1", "B2"]
    assert boards["y"].start() == ["B2"]
    # each still lists what is its own
    assert boards["y"].text() == "root(C:3,Q:0,R:1,F:0)"
    boards["x"].tell("done", "A1")
    assert boards["y"].start() == ["A1"]


def test_channels_the_string_does_not_name_are_private(shared):
    boards, _calls = make_boards(shared, "root:9", "xy")
    for board in boards.values():
        board.manager.apply_settings([ChannelSettings("A", 1)])
        board.tell("pending", "A1", "A2")
        assert board.start() == ["A1"]


def test_a_throttle_is_shared_as_well(shared):
    boards, _calls = make_boards(shared, "root:9,A:9:throttle=5", "xy")
    for board in boards.values():
        board.tell("pending", "A1")
    assert boards["x"].start(100) == ["A1"]
    assert (boards["y"].start(101), boards["y"].wakeup) == ([], 105)
    assert boards["y"].start(105) == ["A1"]


def serve(boards, calls, done=None):
    """Let one job be done, and then everybody who is called take a turn."""
    turns = []
    if done:
        name, job = done
        boards[name].tell("done", job)
        turns.append(name)
    started = []
    while calls or turns:
        name = turns.pop(0) if turns else calls.pop(0)
        started += [(name, job) for job in boards[name].start()]
    return started


def test_three_backlogs_take_turns(shared):
    boards, calls = make_boards(shared, "root:3")
    running = []
    for board in boards.values():
        board.tell("pending", *(f"A{number}" for number in range(1, 40)))
        running += [(board.db_name, job) for job in board.start()]
    # the first one came alone and took all there was
    assert [name for name, _job in running] == ["x", "x", "x"]
    served = []
    for _step in range(30):
        new = serve(boards, calls, running.pop(0))
        assert len(new) == 1  # no slot lies idle
        running += new
        served += [name for name, _job in new]
    assert sorted(name for name, _job in running) == ["x", "y", "z"]
    assert [served.count(name) for name in "xyz"] == [10, 10, 10]


def test_one_slot_goes_round(shared):
    boards, calls = make_boards(shared, "root:1", "xy")
    running = []
    for board in boards.values():
        board.tell("pending", *(f"A{number}" for number in range(1, 9)))
        running += [(board.db_name, job) for job in board.start()]
    served = []
    for _step in range(6):
        running += serve(boards, calls, running.pop())
        served.append(running[0][0])
    assert "".join(served) == "yxyxyx"


def test_a_database_that_does_not_come_stops_nobody(shared):
    boards, calls = make_boards(shared, "root:2", "xy")
    for board in boards.values():
        board.tell("pending", *(f"A{number}" for number in range(1, 9)))
    assert boards["x"].start() == ["A1", "A2"]
    assert boards["y"].start() == []  # starved, and then in trouble
    boards["x"].tell("done", "A1")
    assert calls == ["y"]
    assert boards["x"].start() == []
    assert boards["x"].wakeup == shared.clock() + slots.GRACE_SECONDS
    shared.clock.now += slots.GRACE_SECONDS
    assert boards["x"].start() == ["A3"]
    boards["x"].tell("done", "A2")
    assert boards["x"].start() == ["A4"]


def test_a_database_without_candidates_lets_the_others_go_first(shared):
    boards, calls = make_boards(shared, "root:1", "xy")
    boards["x"].tell("pending", "A1", "A2")
    assert boards["x"].start() == ["A1"]
    # it asked for room before it looked for jobs
    assert boards["y"].manager.free_slots() == 0
    boards["x"].tell("done", "A1")
    assert boards["x"].start() == []
    assert calls == ["y", "y"]  # by the slot that fell free, by the one left to it
    assert boards["y"].manager.free_slots() == 1
    assert boards["y"].start() == []
    assert calls[2:] == ["x"]
    assert boards["x"].start() == ["A2"]


def test_starving_for_a_narrow_channel_takes_nothing_from_the_others(shared):
    boards, _calls = make_boards(shared, "root:9,A:1", "xy")
    boards["x"].tell("pending", "A1", "B1", "B2", "B3")
    boards["y"].tell("pending", "A1")
    assert boards["x"].start() == ["A1", "B1", "B2", "B3"]
    assert boards["y"].start() == []
    boards["x"].tell("pending", "B4")
    assert boards["x"].start() == ["B4"]


def test_a_database_in_trouble_gives_its_slots_back(shared):
    boards, calls = make_boards(shared, "root:2", "xy")
    boards["x"].tell("pending", "A1", "A2")
    boards["y"].tell("pending", "A1")
    assert boards["x"].start() == ["A1", "A2"]
    assert boards["y"].start() == []
    boards["x"].manager.remove_db("x")
    assert shared.held("x") == 0
    assert "y" in calls
    assert boards["y"].start() == ["A1"]
    shared.forget("y")
    assert shared.held("y") == 0


def test_a_job_that_runs_when_its_channel_becomes_shared_is_counted(shared):
    board = Board("", shared, "x")
    board.tell("started", "A1")
    board.manager.simple_configure("root:1,A:1")
    assert (shared.held("x"), shared.held("x", "root.A")) == (1, 1)
    board.tell("done", "A1")
    assert (shared.held("x"), shared.held("x", "root.A")) == (0, 0)


# -- channels that share their limits --------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "interchangeable"),
    [
        ("root", ["root.free", "root.free.sub", "root.wide"]),
        ("root.free", ["root", "root.free.sub", "root.wide"]),
        ("root.narrow", ["root.narrow.sub"]),
        ("root.narrow.deep", []),
        ("root.narrow.sub", ["root.narrow"]),
        ("root.slow", []),
        ("root.strict", []),
        ("root.unknown", ["root", "root.free", "root.free.sub", "root.wide"]),
        ("root.wide", ["root", "root.free", "root.free.sub"]),
        ("root.wide.half", ["root.wide.half.sub"]),
    ],
)
def test_a_slot_is_good_for_interchangeable_channels(channel, interchangeable):
    board = Board(
        "root:4,narrow:2,slow:2:throttle=1,strict:1:sequential,narrow.deep:1,"
        "wide:4,wide.half:2,wide.half.sub:3"
    )
    everybody = [
        *("root", "root.free", "root.free.sub", "root.narrow", "root.narrow.sub"),
        *("root.narrow.deep", "root.slow", "root.strict"),
        *("root.wide", "root.wide.half", "root.wide.half.sub"),
    ]
    assert board.manager.interchangeable(channel, everybody) == interchangeable


def test_a_paused_channel_is_not_interchangeable():
    board = Board("root:4")
    board.manager.apply_settings([ChannelSettings("root.stopped", paused=True)])
    assert board.manager.interchangeable("root.a", ["root.stopped", "root.b"]) == [
        "root.b"
    ]
