# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Leases: only the runner of the same database can grant one."""

import json
import math
from dataclasses import asdict, replace

import pytest

from queue_job.claim.lease import (
    MAX_AGE_SECONDS,
    Lease,
    LeaseRefused,
    derive_key,
    equal,
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


@pytest.mark.parametrize(
    "signature", ["ü", "\xff" * 64, "0" * 63 + "é", "\udcff", "\0", " ", "x" * 100_000]
)
def test_an_odd_signature_is_refused(signature):
    with pytest.raises(LeaseRefused, match="does not match") as caught:
        opened(signature=signature)
    assert not caught.value.is_signed


@pytest.mark.parametrize("secret", [None, False, ""])
def test_without_a_secret_nobody_signs(secret):
    assert derive_key(secret) is None
    with pytest.raises(LeaseRefused, match="no secret"):
        open_lease(None, LEASE.encode(), sign(KEY, LEASE.encode()), "db", 1001.0)


MALFORMED = [
    *(b"", b"[]", b"{}", b"null", b'"text"', b"7", b'{"unknown": 1}', b"\xff", b"\0"),
    b"[" * 100_000,
    b'{"id": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:20]))
def test_a_signed_but_malformed_body_is_refused(body):
    with pytest.raises(LeaseRefused, match="malformed"):
        open_lease(KEY, body, sign(KEY, body), "db", 1001.0)


def lease_values():
    return [
        *((name, [1]) for name in asdict(LEASE) if name != "channels"),
        *((name, {}) for name in asdict(LEASE)),
        *((name, "7") for name in ("id", "job_id", "claim_token", "seconds", "issued")),
        *((name, 2**31) for name in ("id", "job_id", "claim_token")),
        *((name, 1.5) for name in ("id", "job_id", "claim_token")),
        *((name, True) for name in ("id", "job_id", "seconds", "issued")),
        *((name, None) for name in ("id", "database", "issued", "channels", "kind")),
        *((name, "a\0b") for name in ("database", "channel", "kind", "runner")),
        *((name, "\ud800") for name in ("database", "channel", "cause", "runner")),
        *(("channels", each) for each in ("root", ["a", 1], ["a\0"], [None])),
        *(("starts", each) for each in (1.5, True, "yes", None)),
        *(("in_order", each) for each in (1, "yes", None)),
        *(("kind", each) for each in ("bury", "dance")),
        ("cause", "dead"),
        ("issued", 10**400),
    ]


@pytest.mark.parametrize(("name", "value"), lease_values())
def test_a_value_of_a_wrong_kind_is_refused(name, value):
    body = json.dumps({**asdict(LEASE), name: value}).encode()
    with pytest.raises(LeaseRefused, match="malformed") as caught:
        open_lease(KEY, body, sign(KEY, body), "db", 1001.0)
    assert caught.value.is_signed, "the runner hears why"


@pytest.mark.parametrize("issued", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_refused(issued):
    with pytest.raises(LeaseRefused, match="seconds old"):
        opened(replace(LEASE, issued=issued))


@pytest.mark.parametrize("cause", ["dead", "timeout", "cancel"])
def test_a_finalization_has_a_cause(cause):
    finalization = replace(LEASE, kind="bury", cause=cause)
    assert opened(finalization) == finalization


def test_secrets_of_any_characters_are_compared():
    texts = ["", "a", "ä", "\xff", "\udcff", "a\0", "漢字"]
    for first in texts:
        for second in texts:
            assert equal(first, second) is (first == second)


def test_a_changed_body_is_refused():
    signature = sign(KEY, LEASE.encode())
    with pytest.raises(LeaseRefused, match="does not match"):
        opened(replace(LEASE, job_id=43), signature=signature)
