# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Identity keys: what makes two jobs "the same", so that one of them is enough.

`with_delay(identity_key=identity_exact)` gives a key made of the model, the method,
the ids of the records and the arguments. To add to it, start from the hash object:

    def identity_per_day(job_):
        hasher = identity_exact_hasher(job_)
        hasher.update(str(fields.Date.today()).encode())
        return hasher.hexdigest()
"""

from __future__ import annotations

import hashlib
from typing import Any

from . import option_values


def identity_exact_hasher(job_: Any) -> hashlib._Hash:
    """Return a SHA-1 object fed with the whole call: more can be added to it.

    :param job_: the `Job` that is enqueued
    """
    hasher = hashlib.sha1(usedforsecurity=False)
    hasher.update(job_.model_name.encode())
    hasher.update(job_.method_name.encode())
    hasher.update(str(sorted(job_.recordset.ids)).encode())
    hasher.update(str(job_.args).encode())
    hasher.update(str(sorted(job_.kwargs.items())).encode())
    return hasher


def identity_exact(job_: Any) -> str:
    """Return a key which is equal for calls equal in records, method and arguments.

    :param job_: the `Job` that is enqueued
    """
    return identity_exact_hasher(job_).hexdigest()


class PartKeys:
    """The identity keys of the parts of a split recordset.

    The parts carry different records, so no two of them may be the same job. A text is
    made a key for each part by its records. A function is asked for the key of each
    part; one that gives several parts the same key is treated like a text from the
    second on.

    :param key: the identity key of what is split
    """

    def __init__(self, key: Any) -> None:
        self._key = key
        self._given: dict[str, list[int]] = {}

    def __call__(self, job_: Any) -> str | None:
        """Return the key of a part."""
        ids = sorted(job_.recordset.ids)
        if isinstance(self._key, str):
            return _key_of_records(self._key, ids)
        key: str | None = option_values.number_as_text(self._key(job_))
        if key and self._given.setdefault(key, ids) != ids:
            return _key_of_records(key, ids)
        return key


def _key_of_records(key: str, ids: list[int]) -> str:
    digest = hashlib.sha1(str(ids).encode(), usedforsecurity=False)
    return f"{key} {digest.hexdigest()}"
