# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The list of all job functions that ran, and a page for each.

Nobody has to create anything: what a lease has reported is listed, and so is each
function that has settings (`queue.job.function`). The figures are those of the jobs of
the companies in which the user works now, as everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import Any

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..core.labels import function_label
from ..monitoring import function_queries as queries
from ..monitoring import module_versions
from ..monitoring.function_trend import Times, shown_classes, slowdown
from ..monitoring.statistics import FINE_BOUNDS
from .queue_job_function import regex_job_function_name

DAY = timedelta(days=1)
WEEK = timedelta(days=7)

#: Seconds of a point of the charts: a week has 42.
STEP = 4 * 3600

_EPOCH = datetime(1970, 1, 1)

#: What opens the page of one function, see `static/src/functions`.
PAGE_TAG = "queue_job_function"

#: Of a span in which nothing ran.
_NOTHING: dict[str, Any] = {}


def _times(row: dict[str, Any], what: str = "run") -> Times:
    return Times(row.get(f"{what}_classes") or (), row.get(f"{what}_max") or 0.0)


class QueueJobFunctionPage(models.AbstractModel):
    _name = "queue.job.function.page"
    _description = "Pages of Job Functions"

    # -- the list ------------------------------------------------------------------

    @api.model
    @api.readonly
    def get_functions(self) -> list[dict]:
        """Return all job functions that ran or have settings, by name.

        :return: name, label, runs and failures of the last day, medians (seconds) of
            the day and of the week before, p95 of the day, last_run, slower (factor or
            False), has_settings
        :raise AccessError: the user may not read jobs
        """
        dashboard = self._dashboard()
        day = self._hour() - DAY
        last_runs = {
            row["function"]: row["last_run"] for row in dashboard._rows(queries.NAMES)
        }
        spans: dict[str, dict[bool, dict]] = defaultdict(dict)
        for row in dashboard._rows(queries.SPANS, since=day - WEEK, middle=day):
            spans[row["function"]][row["is_recent"]] = row
        functions = self.env["queue.job.function"].search([("name", "!=", False)])
        settings = set(functions.mapped("name"))
        return [
            {
                **self._row(name, spans[name]),
                "last_run": last_runs.get(name) or False,
                "has_settings": name in settings,
            }
            for name in sorted(filter(None, settings | last_runs.keys()))
        ]

    def _row(self, name, spans):
        recent, earlier = spans.get(True, _NOTHING), spans.get(False, _NOTHING)
        now, before = _times(recent), _times(earlier)
        return {
            "name": name,
            "label": self._label(name),
            "runs": recent.get("attempts", 0),
            "failed": recent.get("failed", 0),
            "median": now.median,
            "median_before": before.median,
            "p95": now.percentile(0.95),
            "slower": slowdown(now, before) or False,
        }

    # -- one function --------------------------------------------------------------

    @api.model
    @api.readonly
    def get_function(self, function) -> dict:
        """Return what the page of a job function shows.

        :param function: its name, such as `<res.partner>.write`
        :return: label, modules, this week and the one before (figures), histograms,
            series, versions, failures, settings, slower; empty if the user sees no run
            of such a function, and it has no settings
        :raise AccessError: the user may not read jobs
        """
        dashboard, name = self._dashboard(), str(function)
        hour = self._hour()
        values = {"function": name, "since": hour - 2 * WEEK, "middle": hour - WEEK}
        spans = {
            row["is_recent"]: row
            for row in dashboard._rows(queries.SPANS_OF_ONE, **values)
        }
        settings = self._settings(name)
        if not spans and not settings and not self._is_known(name):
            return {}
        week, before = spans.get(True, _NOTHING), spans.get(False, _NOTHING)
        modules = self._modules(name)
        return {
            "name": name,
            "label": self._label(name),
            "modules": modules,
            "week": self._figures(week),
            "before": self._figures(before),
            "run_histogram": self._histogram(week, before, "run"),
            "wait_histogram": self._histogram(week, before, "wait"),
            "series": self._series(name, hour),
            "versions": self._versions(modules, hour - WEEK),
            "failures": dashboard._rows(queries.FAILURES_OF_ONE, function=name),
            "slower": self._slower(name, hour),
            "settings": settings,
        }

    def _figures(self, row):
        run, wait = _times(row), _times(row, "wait")
        attempts = row.get("attempts", 0)
        return {
            **{each: row.get(each, 0) for each in ("done", "failed", "retried")},
            "attempts": attempts,
            "mean": (row.get("run_seconds") or 0) / attempts if attempts else 0,
            "median": run.median,
            "p95": run.percentile(0.95),
            "longest": run.longest,
            "wait_median": wait.median,
            "wait_p95": wait.percentile(0.95),
        }

    def _histogram(self, week, before, what):
        """Return [{up_to (seconds, False for the last), week, before}, ...]."""
        spans = _times(week, what), _times(before, what)
        bounds = [*FINE_BOUNDS, False]
        return [
            {
                "up_to": bounds[number],
                "week": spans[0].classes[number] if spans[0].classes else 0,
                "before": spans[1].classes[number] if spans[1].classes else 0,
            }
            for number in shown_classes(*spans)
        ]

    def _series(self, name, hour):
        """Return one point for each step of the last week, with that a week before."""
        since = hour - 2 * WEEK
        values = {"function": name, "since": since, "step": STEP}
        rows = self._dashboard()._rows(queries.SERIES_OF_ONE, **values)
        found = {row["time"]: row for row in rows}
        week = int(WEEK.total_seconds())
        end = int((hour - _EPOCH).total_seconds())
        first = (end - week) // STEP * STEP + STEP
        return [
            self._point(time, found.get(time, {}), found.get(time - week, {}))
            for time in range(first, end + 1, STEP)
        ]

    def _point(self, time, row, before):
        outcomes = ("done", "failed", "retried")
        return {
            "time": time,
            **{each: row.get(each, 0) for each in outcomes},
            "median": _times(row).median or None,
            "median_before": _times(before).median or None,
            "runs_before": before.get("attempts", 0),
        }

    def _slower(self, name, hour):
        """Return {factor, median, median_before} of a slowdown, or False."""
        day = hour - DAY
        values = {"function": name, "since": day - WEEK, "middle": day}
        rows = self._dashboard()._rows(queries.SPANS_OF_ONE, **values)
        spans = {row["is_recent"]: _times(row) for row in rows}
        now, before = spans.get(True, Times(())), spans.get(False, Times(()))
        factor = slowdown(now, before)
        medians = {"median": now.median, "median_before": before.median}
        return {"factor": factor, **medians} if factor else False

    # -- settings ------------------------------------------------------------------

    @api.model
    def action_settings(self, function) -> dict:
        """Return the action that opens the settings of a job function, or new ones.

        :param function: its name, such as `<res.partner>.write`
        :raise AccessError: the user may not read jobs
        :raise UserError: it is no name of a job function, or its model is gone
        """
        self._dashboard()
        name = str(function)
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("Settings of %s", name),
            "res_model": "queue.job.function",
            "views": [(False, "form")],
        }
        record = self._settings_record(name)
        if record:
            return {**action, "res_id": record.id}
        match = regex_job_function_name.match(name or "")
        if not match or match[1] not in self.env:
            raise UserError(
                self.env._("There is no model any more for the job function %s.", name)
            )
        model = self.env["ir.model"].sudo()._get(match[1])
        defaults = {"default_model_id": model.id, "default_method": match[2]}
        return {**action, "context": defaults}

    def _settings(self, name):
        """Return the settings as far as they say something, or False."""
        function = self._settings_record(name)
        if not function:
            return False
        return {
            "channel": function.channel or "",
            "timeout": function.timeout,
            "retry_pattern": function.edit_retry_pattern,
            "retry_on": function.retry_on or "",
            "former_names": function.former_names or "",
        }

    def _settings_record(self, name):
        functions = self.env["queue.job.function"]
        return functions.search([("name", "=", name)], order="id", limit=1)

    # -- names, modules, versions --------------------------------------------------

    def _dashboard(self):
        """Return the model that counts, for those who may read jobs.

        :raise AccessError: the user may not
        """
        dashboard = self.env["queue.job.dashboard"]
        dashboard._check_access()
        return dashboard

    def _hour(self):
        """Return the beginning of this hour, in UTC."""
        now = fields.Datetime.now()
        return now.replace(minute=0, second=0, microsecond=0)

    def _is_known(self, name):
        rows = self._dashboard()._rows(queries.NAMES)
        return any(row["function"] == name for row in rows)

    def _method(self, name):
        """Return (model, method) of a job function; None for what is gone."""
        match = regex_job_function_name.match(name or "")
        if not match or match[1] not in self.env:
            return None, match[2] if match else name
        return self.env[match[1]], match[2]

    def _label(self, name):
        model, method = self._method(name)
        if model is None:
            return name if method == name else function_label("", method, None)
        label = self.env["ir.model"]._get(model._name).sudo().name
        doc = getattr(getattr(type(model), method, None), "__doc__", None)
        return function_label(label or "", method, doc)

    def _modules(self, name):
        """Return the names of the modules that define the method."""
        model, method = self._method(name)
        if model is None:
            return []
        return sorted(module_versions.defining(type(model), method))

    def _versions(self, modules, since):
        """Return [{module, version, time (seconds since 1970)}, ...]."""
        changes = module_versions.changes(self.env.cr, modules, since)
        return [
            {
                "module": row["module"],
                "version": row["version"],
                "time": int(row["date"].replace(tzinfo=timezone.utc).timestamp()),
            }
            for row in changes
        ]


def _open_page(name: str) -> dict[str, Any]:
    return {
        "type": "ir.actions.client",
        "tag": PAGE_TAG,
        "path": "job-function",
        "params": {"function": name},
    }


# pylint: disable=consider-merging-classes-inherited
class QueueJob(models.Model):
    _inherit = "queue.job"

    def action_open_function(self) -> dict:
        """Return the action that opens the page of the job's function."""
        self.ensure_one()
        self.check_access("read")
        return _open_page(self.channel_method_name)


# pylint: disable=consider-merging-classes-inherited
class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    def action_open_page(self) -> dict:
        """Return the action that opens the page of the function."""
        self.ensure_one()
        self.check_access("read")
        return _open_page(self.name)
