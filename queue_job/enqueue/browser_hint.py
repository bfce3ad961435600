# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tells the browser that pressed a button that there are new jobs: by a cookie.

The web client counts the jobs of its user (`static/src/my_jobs`). It asks for their
number when the value of this cookie changes, so that who delays nothing asks for
nothing. The cookie holds the time of the last enqueuing, and nothing else.
"""

from __future__ import annotations

import time

from odoo.api import Environment
from odoo.http import request

COOKIE = "queue_job_enqueued"

#: Seconds after which the browser forgets it.
SECONDS = 300


def leave(env: Environment) -> None:
    """Mark the answer to the present request, if a user's browser has sent one.

    Once: a request that delays a thousand jobs one by one must not get as many headers.

    :param env: in which jobs are enqueued
    """
    if not request or env.context.get("job_uuid") or not request.session.uid:
        return
    cookies = request.future_response.headers.getlist("Set-Cookie")
    if any(cookie.startswith(f"{COOKIE}=") for cookie in cookies):
        return
    request.future_response.set_cookie(
        COOKIE, f"{time.time():.3f}", max_age=SECONDS, expires=None, samesite="Lax"
    )
