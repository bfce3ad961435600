# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The exact identity key: what goes into it, in which order."""

import hashlib
from types import SimpleNamespace

from queue_job.core.identity import PartKeys, identity_exact, identity_exact_hasher


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


def part(ids):
    return job(ids=ids, args=())


def test_parts_share_a_text_and_differ_by_their_records():
    keys = PartKeys("text")
    assert keys(part([1, 2])) == keys(part([2, 1]))
    assert keys(part([1, 2])) != keys(part([3]))
    assert keys(part([3])) == PartKeys("text")(part([3]))
    assert keys(part([3])).startswith("text ")


def test_a_function_of_the_part_is_asked():
    keys = PartKeys(identity_exact)
    assert keys(part([1, 2])) == identity_exact(part([1, 2]))


def test_parts_of_the_same_key_differ_by_their_records():
    keys = PartKeys(lambda job: "same")
    found = [keys(part([number])) for number in (1, 2, 3)]
    assert found[0] == "same"
    assert len(set(found)) == 3
    assert keys(part([1])) == "same"


def test_parts_without_a_key_have_none():
    assert PartKeys(lambda job: None)(part([1])) is None


def test_a_function_may_give_the_parts_a_number():
    for number in (0, 7):
        keys = PartKeys(lambda job, number=number: number)
        assert keys(part([1])) == str(number)
        assert keys(part([2])).startswith(f"{number} ")
