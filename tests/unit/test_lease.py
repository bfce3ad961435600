# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Leases: only the runner of the same database can grant one."""

from dataclasses import replace

import pytest

from queue_job.jobrunner.lease import (
    MAX_AGE_SECONDS,
    Lease,
    LeaseRefused,
    derive_key,
    open_lease,
    sign,
)

KEY = derive_key("the secret of the database")
LEASE = Lease(7, "db", 42, 3, "root.sale", issued=1000.0)


def opened(lease=LEASE, key=KEY, signature=None, database="db", now=1001.0):
    body = lease.encode()
    return open_lease(KEY, body, signature or sign(key, body), database, now)


def test_a_signed_lease_comes_back_as_it_was():
    assert opened() == LEASE


def test_a_lease_may_have_no_channel():
    assert opened(replace(LEASE, channel=None)).channel is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signature": "0" * 64}, "does not match"),
        ({"key": derive_key("another secret")}, "does not match"),
        ({"database": "other"}, "database 'db'"),
        ({"now": 1000.0 + MAX_AGE_SECONDS + 1}, "seconds old"),
        ({"now": 1000.0 - MAX_AGE_SECONDS - 1}, "seconds old"),
    ],
)
def test_what_is_refused(changes, reason):
    with pytest.raises(LeaseRefused, match=reason):
        opened(**changes)


@pytest.mark.parametrize("signature", [None, ""])
def test_an_unsigned_lease_is_refused(signature):
    with pytest.raises(LeaseRefused, match="not signed"):
        open_lease(KEY, LEASE.encode(), signature, "db", 1001.0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"unknown": 1}', b"\xff"])
def test_a_signed_but_malformed_body_is_refused(body):
    with pytest.raises(LeaseRefused, match="malformed"):
        open_lease(KEY, body, sign(KEY, body), "db", 1001.0)


def test_a_changed_body_is_refused():
    signature = sign(KEY, LEASE.encode())
    with pytest.raises(LeaseRefused, match="does not match"):
        opened(replace(LEASE, job_id=43), signature=signature)
