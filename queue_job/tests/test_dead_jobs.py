# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the runner does about dead jobs: several of them are finalized by one lease."""

from odoo.tests import BaseCase

from ..jobrunner.recovery import dead_jobs
from ..jobrunner.recovery.batches import BATCH_LIMIT
from ..jobrunner.recovery.dead_jobs import DeadJobs
from ..jobrunner.session import queries
from ..monitoring.statistics import COUNT_DEAD

LAST = {"retry": 4, "max_retries": 5}


class FakeDatabase:
    """Rows that can be taken over unless they are in `void`."""

    db_name = "db"

    def __init__(self):
        self.void = set()
        self.counted = []

    def rows(self, query, params):
        assert query == queries.CLAIM_TO_FINALIZE
        return [
            {"id": job_id, "claim_token": token + 1}
            for job_id, token in zip(params["ids"], params["tokens"], strict=True)
            if job_id not in self.void
        ]

    def execute(self, query, params):
        assert query == COUNT_DEAD
        self.counted += params["ids"]


class FakeLeases:
    def __init__(self):
        self.granted = []

    def new_id(self):
        return 100 + len(self.granted)

    def grant_finalization(self, row, lease_id, token, cause):
        self.granted.append((row["id"], lease_id, token, cause))


class TestDeadJobs(BaseCase):
    def setUp(self):
        super().setUp()
        self.database, self.leases = FakeDatabase(), FakeLeases()
        self.dead_jobs = DeadJobs(self.database, self.leases)

    def row(self, number, **values):
        return {
            "id": number,
            "uuid": f"job-{number}",
            "claim_token": 7,
            "lease_id": 1,
            "signal": None,
            **LAST,
            **values,
        }

    def recover(self, *rows):
        self.leases.granted.clear()
        with self.assertLogs(dead_jobs.__name__, "WARNING") as logs:
            self.dead_jobs.recover([*rows], [*rows])
        self.logged = len(logs.output)
        return self.leases.granted

    def test_one_lease_for_those_of_a_cause(self):
        granted = self.recover(
            self.row(1), self.row(2), self.row(3, signal="timeout"), self.row(4)
        )
        self.assertEqual(granted, [(1, 100, 8, "dead"), (3, 101, 8, "timeout")])
        self.assertEqual(self.logged, 4)
        self.assertEqual(self.database.counted, [1, 2, 4])

    def test_many_are_several_leases(self):
        count = 2 * BATCH_LIMIT + 1
        granted = self.recover(*(self.row(number) for number in range(count)))
        firsts = [0, BATCH_LIMIT, 2 * BATCH_LIMIT]
        self.assertEqual([job_id for job_id, *_ in granted], firsts)

    def test_one_that_cannot_be_taken_over(self):
        self.database.void = {1}
        self.assertEqual(self.recover(self.row(1), self.row(2)), [(2, 100, 8, "dead")])
        self.assertEqual((self.logged, self.database.counted), (1, [2]))

    def test_nothing_to_take_over(self):
        self.database.void = {1}
        with self.assertNoLogs(dead_jobs.__name__, "WARNING"):
            self.dead_jobs.recover([self.row(1)], [self.row(1)])
        self.assertEqual((self.leases.granted, self.database.counted), ([], []))

    def test_those_that_are_found_again_have_a_lease_each(self):
        """What has ended the lease too early holds up its own job and no other."""
        self.recover(self.row(1), self.row(2), self.row(3))
        again = [self.row(number, lease_id=100, claim_token=8) for number in (1, 2)]
        granted = self.recover(*again, self.row(4), self.row(5))
        self.assertEqual([job_id for job_id, *_ in granted], [1, 2, 4])

    def test_what_is_over_is_forgotten(self):
        self.recover(self.row(1), self.row(2))
        self.recover(self.row(3))
        granted = self.recover(self.row(4, lease_id=100), self.row(5, lease_id=100))
        self.assertEqual([job_id for job_id, *_ in granted], [4])
