# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the dashboard, the health banner and the job form ask of the server.

All of it is for those who may read jobs. The figures are sums and counts over the
companies that the user sees, as the lists of jobs are (`monitoring/visible_companies`);
the health of the queue is that of all. Names of jobs come through the ORM and its
rules.
"""

import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import config

from ..core.states import STARTED
from ..jobrunner.session.change_feed import WATCH
from ..jobrunner.session.queries import HAS_TRIGGER, PING
from ..monitoring import dashboard_queries as queries
from ..monitoring.effective_settings import (
    configured_channels,
    effective_settings,
    job_slots,
    maxima_of,
    runner_facts,
)
from ..monitoring.health import Facts, health_problems, is_alive
from ..monitoring.health_texts import TEXTS
from ..monitoring.histogram import ancestors, percentile, sum_up_tree
from ..monitoring.visible_companies import visible_companies
from .queue_job_statistic import BOUNDS

#: period -> (seconds back, seconds of one point of the charts)
PERIODS = {
    "hour": (3600, 60),
    "day": (86400, 900),
    "week": (7 * 86400, 7200),
}

#: Rows in each of the dashboard's lists.
TOP = 8


class QueueJobDashboard(models.AbstractModel):
    _name = "queue.job.dashboard"
    _description = "Job Queue Dashboard"

    @api.model
    def get_figures(self, period="hour") -> dict:
        """Return everything the dashboard shows.

        :param period: a key of `PERIODS`
        :raise AccessError: the user may not read jobs
        """
        self._check_access()
        seconds, step = PERIODS[period]
        since = fields.Datetime.now() - timedelta(seconds=seconds)
        runners = self._rows(queries.RUNNERS)
        functions = self._functions(since)
        return {
            "problems": self._problems(self._all_waiting(), runners),
            "states": self._states(),
            "since": fields.Datetime.to_string(since),
            "series": self._series(since, step),
            "channels": self._channels(runners),
            "slowest": sorted(functions, key=lambda row: -row["p95"])[:TOP],
            "failing": self._most_failing(functions)[:TOP],
            "failures": self._rows(queries.FAILURES),
            "may_requeue": self.env["queue.job"].has_access("write"),
            "running": self._running(),
            "runners": self._runners(runners),
            "workers": self._rows(queries.WORKERS),
        }

    @api.model
    def get_problems(self) -> list[dict]:
        """Return the problems which the health banner shows.

        :return: code, level and text of each
        :raise AccessError: the user may not read jobs
        """
        self._check_access()
        return self._problems(self._all_waiting(), self._rows(queries.RUNNERS))

    @api.model
    def watch(self) -> None:
        """Tell the job runner that somebody looks, and wants to hear of changes.

        It answers over the bus (see `jobrunner/session/change_feed.py`), with messages
        that say no more than that something has changed.

        :raise AccessError: the user is neither an employee nor somebody who reads jobs
        """
        if not self.env.user._is_internal():
            self.env["queue.job"].check_access("read")
        self.env.cr.execute(PING, {"payload": WATCH})

    def _check_access(self):
        """Only those who may read jobs go on from here."""
        self.env["queue.job"].check_access("read")
        # PostgreSQL takes the recursive queries for expensive when much waits, and
        # would compile them each time: half a second, for a query of 20 ms.
        self.env.cr.execute("SET LOCAL jit = off")

    def _rows(self, query, **params):
        """Return the rows of a query, for the companies that the user sees."""
        companies = visible_companies(self.env)
        self.env.cr.execute(query, {"companies": companies, **params})
        return self.env.cr.dictfetchall()

    def _all_waiting(self):
        """Return what waits in each channel, whosever it is."""
        return self._rows(queries.WAITING, companies=None)

    # -- states and charts ---------------------------------------------------------

    def _states(self):
        """Return {state: its count, and whether that is an estimate or a minimum}."""
        self.env["queue.job"].flush_model()
        return {row["state"]: self._estimate(row) for row in self._rows(queries.COUNTS)}

    def _estimate(self, row):
        if row["count"] < queries.CAP:
            return {"count": row["count"], "estimated": False}
        if visible_companies(self.env) is not None:  # the estimate is that of all
            return {"count": queries.CAP, "estimated": False, "at_least": True}
        self.env.cr.execute(queries.ESTIMATE, (row["index"],))
        estimate = (self.env.cr.fetchone() or (0,))[0]
        return {"count": max(estimate, queries.CAP), "estimated": True}

    def _history(self, channel, period):
        """Return the series of a channel and of those below it."""
        self._check_access()
        seconds, step = PERIODS[period]
        since = fields.Datetime.now() - timedelta(seconds=seconds)
        return {
            "since": fields.Datetime.to_string(since),
            "series": self._series(since, step, channel),
        }

    def _series(self, since, step, channel=None):
        """Return one point for each step of time, also where nothing happened.

        :param channel: full name: of it and of those below; None for all channels
        """
        rows = self._rows(queries.SERIES, since=since, step=step, channel=channel)
        found = {row["time"]: row for row in rows}
        first = int((since - fields.Datetime.from_string("1970-01-01")).total_seconds())
        return [
            self._point(start, found.get(start, {}))
            for start in range(first // step * step + step, int(time.time()) + 1, step)
        ]

    def _point(self, start, row):
        attempts = row.get("attempts")
        return {
            "time": start,
            "done": row.get("done", 0),
            "failed": row.get("failed", 0),
            "retried": row.get("retried", 0),
            "wait": (row["wait_seconds"] or 0) / attempts if attempts else None,
            "wait_max": row.get("wait_max"),
        }

    # -- channels ------------------------------------------------------------------

    def _leader(self, runners=None):
        """Return the row of the runner that leads, or of the last one, or nothing.

        :param runners: the rows of all, if they have been read
        """
        runners = self._rows(queries.RUNNERS) if runners is None else runners
        return next(iter(sorted(runners, key=lambda row: not row["leader"])), {})

    def _channels(self, runners=None):
        """Return the channels in the order of their tree, with what is in them."""
        in_flight = self._rows(queries.IN_FLIGHT)
        running = sum_up_tree({row["channel"]: row["running"] for row in in_flight})
        waits = {row["channel"]: row for row in self._rows(queries.WAITING)}
        channels = self.env["queue.job.channel"].search(queries.ALL_CHANNELS)
        records = {channel.complete_name: channel for channel in channels}
        # a parent before its children, whatever signs are in the names
        names = {"root", *records, *running, *waits}
        names.update(*map(ancestors, names))
        names = sorted(names, key=_path)
        configured = configured_channels()[0]
        may_change = channels._filtered_access("write")
        maxima = maxima_of(self.env.cr.dbname)
        leader = self._leader(runners)
        return [
            {
                "id": records[name].id if name in records else False,
                "name": name,
                "depth": name.count("."),
                "may_change": records.get(name, channels.browse()) <= may_change,
                "running": running.get(name, 0),
                "waiting": waits.get(name, {}).get("waiting", 0),
                "oldest": waits.get(name, {}).get("oldest", 0),
                "pause": records[name].pause_text if name in records else False,
                **effective_settings(
                    name, records.get(name), configured, maxima, leader
                ),
            }
            for name in names
        ]

    def _runners(self, rows):
        """Return the runners; each tells its own count some seconds late."""
        in_flight = self._rows(queries.IN_FLIGHT, companies=None)
        running = sum(row["running"] for row in in_flight)
        return [
            {
                **row,
                "alive": is_alive(row["age"]),
                "running": running if row["leader"] else row["running"],
            }
            for row in rows
        ]

    # -- functions, failures, running jobs -----------------------------------------

    def _functions(self, since, names=None):
        """Return what each job function did since then."""
        rows = self._rows(queries.FUNCTIONS, since=since, functions=names)
        for row in rows:
            row["mean"] = (row["run_seconds"] or 0) / max(row["attempts"], 1)
            row["p95"] = percentile(
                row.pop("histogram"), BOUNDS, 0.95, row["run_max"] or 0
            )
        return rows

    def _most_failing(self, functions):
        failing = [row for row in functions if row["failed"] or row["retried"]]
        return sorted(failing, key=lambda row: (-row["failed"], -row["retried"]))

    def _running(self):
        jobs = self.env["queue.job"].search_fetch(
            [("state", "=", STARTED)],
            ["name", "channel", "date_started", "worker_host", "worker_pid"],
            order="date_started, id",
            limit=TOP,
        )
        now = fields.Datetime.now()
        return [
            {
                "id": job.id,
                "name": job.name or job.display_name,
                "channel": job.channel,
                "worker": f"{job.worker_host or '?'}:{job.worker_pid or '?'}",
                "seconds": max((now - (job.date_started or now)).total_seconds(), 0),
            }
            for job in jobs
        ]

    @api.model
    def requeue_failures(self, function, exc_name, kind=None) -> dict:
        """Ask how to requeue the failed jobs of a function with the same exception.

        :param function: its name, as in `<res.users>.read`
        :param exc_name: name of the exception
        :param kind: fingerprint, for those with the same wording alone
        :return: an action, see `queue.job.change_matching`
        """
        of_kind = [("failure_kind", "=", kind)] if kind else []
        return self.env["queue.job"].change_matching(
            [
                ("state", "=", "failed"),
                ("channel_method_name", "=", function),
                ("exc_name", "=", exc_name),
                *of_kind,
            ],
            "requeue",
        )

    # -- health --------------------------------------------------------------------

    def _problems(self, waiting, runners):
        """Return the problems with their texts."""
        facts = self._facts(waiting, runners)
        return [
            {
                "code": problem.code,
                "level": problem.level,
                "text": self._problem_text(problem),
            }
            for problem in health_problems(facts)
        ]

    def _facts(self, waiting, runners):
        oldest = max(waiting, key=lambda row: row["oldest"], default={})
        leader = self._leader(runners)
        settings, error = configured_channels()
        channels = self.env["queue.job.channel"].search(queries.ALL_CHANNELS)
        root = channels.filtered(lambda channel: channel.complete_name == "root")
        maxima = maxima_of(self.env.cr.dbname)
        of_root = effective_settings("root", root, settings, maxima, leader)
        paused = self._paused_with_jobs(channels, settings, waiting)
        self.env.cr.execute(HAS_TRIGGER)
        return Facts(
            ready=sum(row["waiting"] for row in waiting),
            oldest_wait=oldest.get("oldest", 0),
            oldest_channel=oldest.get("channel", ""),
            runner_listening=leader.get("listening", True),
            root_paused="root" in paused,
            paused=tuple(name for name in paused if name != "root"),
            trigger=self.env.cr.fetchone()[0],
            capacity=of_root["capacity"],
            workers=config["workers"] or 0,
            job_workers=job_slots(),
            **runner_facts(leader, settings, error),
        )

    def _paused_with_jobs(self, channels, settings, waiting):
        """Return the names of the paused channels which hold jobs back; always root."""
        loads = sum_up_tree({row["channel"]: row["waiting"] for row in waiting})
        return [
            channel.complete_name
            for channel in channels
            if effective_settings(channel.complete_name, channel, settings)["paused"]
            and (channel.complete_name == "root" or loads.get(channel.complete_name))
        ]

    def _problem_text(self, problem):
        """Return the reason and the remedy, in one sentence each."""
        text = self.env._(TEXTS[problem.code])
        text = text % problem.values
        root = self.env["queue.job.channel"]._root()
        if problem.code == "paused":
            text = f"{text} {root._who_paused()}".rstrip()
        return text

    # -- arguments of a job --------------------------------------------------------

    @api.model
    def get_arguments(self, job_id) -> list[dict]:
        """Return the records and arguments of a job in a readable form.

        :param job_id: its id
        :return: name, and records or text, of each
        :raise AccessError: the user may not read the job
        """
        job = self.env["queue.job"].browse(job_id)
        job.check_access("read")
        return self.env["queue.job.arguments"]._describe(job)

    @api.model
    def get_function_statistics(self, names, days=7) -> dict[str, dict]:
        """Return what job functions did of late.

        :param names: of the job functions
        :param days: that are looked back
        :return: {name: sums, mean and p95 (seconds), date of the last run}
        :raise AccessError: the user may not read jobs
        """
        self._check_access()
        since = fields.Datetime.now() - timedelta(days=days)
        return {row["function"]: row for row in self._functions(since, list(names))}

    @api.model
    def get_channel_loads(self) -> dict[str, dict]:
        """Return what is in the channels now.

        :return: {name: running (here and below), waiting, oldest (seconds), limits}
        :raise AccessError: the user may not read jobs
        """
        self._check_access()
        return {row["name"]: row for row in self._channels()}


def _path(name):
    return name.split(".")
