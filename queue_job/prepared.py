# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Statements that a lease runs for each job, parsed and planned once.

For a short job, parsing and planning the two wide statements about its row takes
longer than running them. A cursor that was :func:`enable`-d prepares a statement when
it comes for the second time. The pool's ``DISCARD ALL`` forgets them at the end of the
lease.

Behind a transaction-pooling proxy nothing is prepared: the next statement may go to
another session. One sees it by the process id: the proxy gives its clients another one
than that of the session.
"""

_ATTRIBUTE = "_queue_job_prepared"


def is_direct(cr) -> bool:
    """Whether the cursor's session stays the same from statement to statement."""
    cr.execute("SELECT pg_backend_pid()")
    return cr.fetchone()[0] == cr._cnx.get_backend_pid()


def enable(cr) -> None:
    """Let :func:`execute` prepare statements on this cursor; its session must stay."""
    setattr(cr, _ATTRIBUTE, {})


def execute(cr, query: str, params: list) -> None:
    """Execute a statement with ``%s`` placeholders, prepared if that is worth it."""
    names = vars(cr).get(_ATTRIBUTE)
    if names is None:
        cr.execute(query, params)
        return
    if query not in names:
        names[query] = ""  # seen once
        cr.execute(query, params)
        return
    if not names[query]:
        names[query] = _prepare(cr, query, len(params))
    marks = ", ".join(["%s"] * len(params))
    cr.execute(f"EXECUTE {names[query]} ({marks})", params)


def _prepare(cr, query: str, count: int) -> str:
    name = f"queue_job_{abs(hash(query))}"
    numbers = tuple(f"${number}" for number in range(1, count + 1))
    # the query is one of ours, its placeholders become numbered ones
    cr.execute(f"PREPARE {name} AS {query % numbers}")  # pylint: disable=sql-injection
    return name
