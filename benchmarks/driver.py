# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The process that enqueues: an Odoo environment which obeys lines of JSON.

It is started by `Driver` (in `driver_client`) with the addons path of one side, and
uses nothing but the public API of the addon: `with_delay`, `delayable`, `group`,
`chain`. Each line on standard input is `[operation, {arguments}]`; the answer is one
line of JSON on standard output.
"""

import json
import sys
import time

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tools import config

CLAIM = """
    UPDATE bench_queue SET state = 'started'
    WHERE id = (
        SELECT id FROM bench_queue WHERE state = 'pending'
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""
DONE = "UPDATE bench_queue SET state = 'done' WHERE id = %s"


class Operations:
    """What the benchmark may ask; each operation is one method."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.registry = Registry(database)
        from odoo.addons.queue_job.delay import chain, group

        self.chain, self.group = chain, group

    def _environment(self, cursor):
        return api.Environment(cursor, SUPERUSER_ID, {})

    def _record(self, env):
        model = env["bench.jobs"]
        return model.search([], limit=1) or model.create({"name": "bench"})

    def records(self, count: int) -> int:
        """Create records to write on; return the id of the first."""
        with self.registry.cursor() as cursor:
            model = self._environment(cursor)["bench.jobs"]
            return model.create([{"name": "bench"}] * count).ids[0]

    # -- enqueue -------------------------------------------------------------------

    def loop(self, count: int) -> float:
        """`with_delay` in a loop, one commit."""
        with self.registry.cursor() as cursor:
            record = self._record(self._environment(cursor))
            start = time.perf_counter()
            for _ in range(count):
                record.with_delay().noop()
            cursor.commit()
            return time.perf_counter() - start

    def grouped(self, count: int) -> float:
        """One group, one commit."""
        with self.registry.cursor() as cursor:
            record = self._record(self._environment(cursor))
            start = time.perf_counter()
            self.group(*(record.delayable().noop() for _ in range(count))).delay()
            cursor.commit()
            return time.perf_counter() - start

    def per_transaction(self, count: int) -> float:
        """One `with_delay` and one commit, again and again."""
        with self.registry.cursor() as cursor:
            record = self._record(self._environment(cursor))
            cursor.commit()
            start = time.perf_counter()
            for _ in range(count):
                record.with_delay().noop()
                cursor.commit()
            return time.perf_counter() - start

    # -- latency and graphs --------------------------------------------------------

    def stamps(self, tokens: list[str], pause: float, priority: int = 10) -> dict:
        """Enqueue jobs that note their start; return when each was committed."""
        committed = {}
        with self.registry.cursor() as cursor:
            record = self._record(self._environment(cursor))
            cursor.commit()
            for token in tokens:
                record.with_delay(priority=priority).stamp(token)
                cursor.commit()
                committed[token] = time.time()
                time.sleep(pause)
        return committed

    def chained(self, count: int, token: str) -> float:
        """A chain of no-ops which ends in a stamp; return when it was committed."""
        with self.registry.cursor() as cursor:
            record = self._record(self._environment(cursor))
            links = [record.delayable().noop() for _ in range(count - 1)]
            self.chain(*links, record.delayable().stamp(token)).delay()
            cursor.commit()
            return time.time()

    def fan_in(self, count: int, token: str) -> float:
        """Many no-ops, then one stamp; return when it was committed."""
        with self.registry.cursor() as cursor:
            record = self._record(self._environment(cursor))
            parents = self.group(*(record.delayable().noop() for _ in range(count)))
            self.chain(parents, record.delayable().stamp(token)).delay()
            cursor.commit()
            return time.time()

    # -- the floor -----------------------------------------------------------------

    def bare_loop(self, seconds: float) -> int:
        """Claim, commit, method, done, commit on a plain table; return how many."""
        plain = psycopg2.connect(
            host=config["db_host"],
            port=config["db_port"],
            user=config["db_user"],
            password=config["db_password"],
            dbname=self.database,
        )
        count = 0
        with self.registry.cursor() as odoo_cursor, plain.cursor() as cursor:
            record = self._record(self._environment(odoo_cursor))
            odoo_cursor.commit()
            deadline = time.perf_counter() + seconds
            while time.perf_counter() < deadline:
                cursor.execute(CLAIM)
                (job_id,) = cursor.fetchone()
                plain.commit()
                record.noop()
                cursor.execute(DONE, [job_id])
                plain.commit()
                count += 1
        plain.close()
        return count

    # -- the costs of a job --------------------------------------------------------

    def lease(self, **options) -> dict:
        """Run jobs in one lease of this process, see `lease_costs`; ours only."""
        import lease_costs

        return lease_costs.run_lease(self.registry, **options)

    # -- rows for the backlog ------------------------------------------------------

    def templates(
        self,
        method: str,
        args: list,
        record_id: int | None = None,
        parent: bool = False,
        options: dict | None = None,
    ) -> list[dict]:
        """The rows which the addon itself would write, read back and rolled back.

        With `parent`, the job waits for a job that is due in ten days: two rows.
        """
        with self.registry.cursor() as cursor:
            env = self._environment(cursor)
            record = self._record(env)
            if record_id:
                record = record.browse(record_id)
            job = getattr(record.delayable(**(options or {})), method)(*args)
            if parent:
                self.chain(record.delayable(eta=10 * 86400).noop(), job).delay()
            else:
                job.delay()
            env.flush_all()
            cursor.execute("SELECT max(id) FROM queue_job")
            last = cursor.fetchone()[0]
            cursor.execute(
                "SELECT row_to_json(j) FROM queue_job j WHERE id > %s ORDER BY id",
                [last - (2 if parent else 1)],
            )
            rows = [row for (row,) in cursor.fetchall()]
            cursor.rollback()
            return rows


def main() -> None:
    database, *options = sys.argv[1:]
    answers = sys.stdout
    sys.stdout = sys.stderr
    config.parse_config(options, setup_logging=True)
    operations = Operations(database)
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        result = getattr(operations, name)(**arguments)
        print(json.dumps(result, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
