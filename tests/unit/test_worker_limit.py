# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""No job and no lease lasts until the server kills its worker."""

import pytest

from queue_job.claim.lease import LEASE_SECONDS, LONGEST_SECONDS
from queue_job.jobrunner.session.worker_limit import WorkerLimit


@pytest.mark.parametrize("seconds", [5, 10, 20, 60, 120, 3600])
@pytest.mark.parametrize("wanted", [LEASE_SECONDS, LONGEST_SECONDS])
def test_the_last_job_of_a_lease_is_ended_before_the_limit(seconds, wanted):
    limit = WorkerLimit(seconds)
    lease = limit.lease_seconds(wanted)
    assert 0 < lease <= wanted
    assert lease + limit.job_seconds < seconds


def test_where_time_is_not_short_a_lease_has_what_it_wants():
    assert WorkerLimit(120).job_seconds == 115
    assert WorkerLimit(120).lease_seconds(LONGEST_SECONDS) == LONGEST_SECONDS


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_limit(seconds):
    assert WorkerLimit(seconds).job_seconds == 0
    assert WorkerLimit(seconds).lease_seconds(LONGEST_SECONDS) == LONGEST_SECONDS
