# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Statements that are run again and again, parsed and planned once for a session.

For a short job, parsing and planning the wide statements about its row takes longer
than running them; the same is true of the statements of the runner's dispatch rounds.
A cursor of a lease that was :func:`enable`-d prepares a statement when it comes for the
second time. The pool's ``DISCARD ALL`` forgets them at the end of the lease.

Behind a transaction-pooling proxy nothing is prepared: the next statement may go to
another session. One sees it by the process id: the proxy gives its clients another one
than that of the session.
"""

from collections.abc import Mapping
from itertools import count

_ATTRIBUTE = "_queue_job_prepared"


class Statements:
    """The prepared statements of one session."""

    def __init__(self):
        self._names: dict[str, str] = {}  # of what was seen; "" while only once
        self._numbers = count(1)

    def execute(self, cr, query: str, params: list | Mapping) -> None:
        """Execute a statement, prepared if it comes for the second time.

        :param cr: cursor of the session
        :param query: with ``%s`` or ``%(name)s`` placeholders
        :param params: their values, in the order of the placeholders
        """
        cr.execute(*self.prepare(cr, query, params))

    def prepare(self, cr, query: str, params: list | Mapping) -> tuple:
        """Return what is to be executed for a statement, and its values.

        The parameters are those of :meth:`execute`.
        """
        if query not in self._names:
            self._names[query] = ""
            return query, params
        if not self._names[query]:
            self._names[query] = self._prepare(cr, query, params)
        values = [*params.values()] if isinstance(params, Mapping) else params
        arguments = f" ({', '.join(['%s'] * len(values))})" if values else ""
        return f"EXECUTE {self._names[query]}{arguments}", values

    def _prepare(self, cr, query, params) -> str:
        name = f"queue_job_{next(self._numbers)}"
        numbers = [f"${number}" for number in range(1, len(params) + 1)]
        if isinstance(params, Mapping):
            text = query % dict(zip(params, numbers, strict=True))
        else:
            text = query % tuple(numbers)
        # the query is one of ours, its placeholders become numbered ones
        cr.execute(f"PREPARE {name} AS {text}")  # pylint: disable=sql-injection
        return name


# The statements of the queue are made for its indexes. PostgreSQL would rather read a
# table that is small when it plans, and go on reading it when it has grown. Where it
# has to read one all the same, it takes that for so costly that it would compile the
# plan, for half a second. And it would plan anew for the first five executions of what
# is prepared, which is often all that a lease needs.
_SETTINGS = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}
_SET_CONFIG = [
    f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items()
]
SETTLE_DOWN = f"""
SELECT CASE WHEN pg_backend_pid() = %s THEN {" || ".join(_SET_CONFIG)} END IS NOT NULL
"""

#: The same until the end of a transaction, in a session whose other statements are not
#: ours: a statement and its values.
SETTLE_DOWN_LOCALLY: tuple[str, list] = (
    "; ".join(f"SET LOCAL {name} = {value}" for name, value in _SETTINGS.items()),
    [],
)


def settle_down(cr, connection) -> bool:
    """Let the plans of this session last, if it stays the same between statements.

    :param cr: cursor of the session
    :param connection: of psycopg2, to which the cursor belongs
    :return: whether the session stays the same
    """
    cr.execute(SETTLE_DOWN, [connection.get_backend_pid()])
    return cr.fetchone()[0]


def enable(cr) -> None:
    """Let :func:`execute` prepare statements on this cursor; its session must stay.

    It may be called again: what is prepared is known to the session.

    :param cr: a cursor of Odoo
    """
    vars(cr).setdefault(_ATTRIBUTE, Statements())


def detach(cr) -> Statements | None:
    """Return what is prepared in the session of a cursor, which loses its session.

    :param cr: a cursor of Odoo
    :return: None if it was not enabled
    """
    return vars(cr).pop(_ATTRIBUTE, None)


def attach(cr, statements: Statements | None) -> None:
    """Let a cursor know what is prepared in its new session.

    :param cr: a cursor of Odoo
    :param statements: of :func:`detach`
    """
    if statements is not None:
        vars(cr)[_ATTRIBUTE] = statements


def execute(cr, query: str, params: list) -> None:
    """Execute a statement, prepared if the cursor was enabled for that.

    :param cr: a cursor of Odoo
    :param query: with ``%s`` placeholders
    :param params: their values
    """
    statements = vars(cr).get(_ATTRIBUTE)
    if statements is None:
        cr.execute(query, params)
    else:
        statements.execute(cr, query, params)


def prepare(cr, query: str, params: list) -> tuple:
    """Return what is to be executed for a statement, and its values.

    The parameters are those of :func:`execute`.
    """
    statements = vars(cr).get(_ATTRIBUTE)
    return statements.prepare(cr, query, params) if statements else (query, params)
