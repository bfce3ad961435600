# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The exact identity key: what goes into it, in which order."""

import hashlib
from types import SimpleNamespace

from queue_job.identity import identity_exact, identity_exact_hasher


def job(ids=(2, 1), args=(1,), **kwargs):
    return SimpleNamespace(
        model_name="res.partner",
        method_name="write",
        recordset=SimpleNamespace(ids=list(ids)),
        args=args,
        kwargs=kwargs,
    )


def test_key_of_databases_which_hold_jobs_already():
    expected = hashlib.sha1(b"res.partnerwrite[1, 2](1,)[('a', 1), ('b', 2)]")
    assert identity_exact(job(b=2, a=1)) == expected.hexdigest()


def test_order_of_records_and_keywords_does_not_matter():
    assert identity_exact(job(ids=(1, 2), a=1, b=2)) == identity_exact(
        job(ids=(2, 1), b=2, a=1)
    )


def test_arguments_matter():
    assert identity_exact(job(args=(1,))) != identity_exact(job(args=(2,)))


def test_more_can_be_added_to_the_hash():
    hasher = identity_exact_hasher(job())
    hasher.update(b"today")
    assert hasher.hexdigest() != identity_exact(job())
