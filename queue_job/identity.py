# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Identity keys: what makes two jobs "the same", so that one of them is enough.

`with_delay(identity_key=identity_exact)` gives a key made of the model, the method,
the ids of the records and the arguments. To add to it, start from the hash object:

    def identity_per_day(job_):
        hasher = identity_exact_hasher(job_: Any)
        hasher.update(str(fields.Date.today()).encode())
        return hasher.hexdigest()
"""

from __future__ import annotations

import hashlib
from typing import Any


def identity_exact_hasher(job_: Any) -> hashlib._Hash:
    """Return a SHA-1 object fed with the whole call: more can be added to it."""
    hasher = hashlib.sha1(usedforsecurity=False)
    hasher.update(job_.model_name.encode())
    hasher.update(job_.method_name.encode())
    hasher.update(str(sorted(job_.recordset.ids)).encode())
    hasher.update(str(job_.args).encode())
    hasher.update(str(sorted(job_.kwargs.items())).encode())
    return hasher


def identity_exact(job_: Any) -> str:
    """Return a key which is equal for calls equal in records, method and arguments."""
    return identity_exact_hasher(job_).hexdigest()
