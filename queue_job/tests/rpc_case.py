# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the users of each role may do over RPC: the roles, the calls, what is watched.

Two companies have jobs. Whatever a role may not see holds a canary, a text which must
not be in any answer or error message. The rows of the watched tables are compared after
each call, which is undone then.
"""

import inspect
import itertools
import json
import re

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw, get_public_method
from odoo.tests import new_test_user

from .job_case import MANAGER_GROUP, WATCHER_GROUP, JobCase

#: Whose methods have a verdict.
ADDONS = {"queue_job", "queue_job_cron", "queue_job_portal"}

#: An ordinary model, for what every model gains.
ORDINARY = "res.partner"

ROLES = (
    *("public", "portal", "employee", "owner", "manager", "elsewhere", "admin"),
    "watcher",
)
MANAGERS = {"manager", "elsewhere", "admin"}

#: What a job does, and how the queue holds it: nobody writes that over RPC.
CALL_COLUMNS = {
    *("uuid", "name", "model_name", "method_name", "func_string", "args", "kwargs"),
    *("channel_method_name", "job_function_id", "date_created", "gate", "gate_limit"),
    *("claim_token", "options", "result_json", "dependencies", "graph_uuid"),
    "identity_scope",
}
WHOSE_COLUMNS = {"user_id", "records"}
#: Channels and functions are those of all companies.
SETTINGS_OF_ALL = {"channel", "job_function_id"}
CACHED = {"queue_job_function", "queue_job_channel"}
MANAGED = {"queue_job_function", "queue_job_channel", "queue_job_failure"}
KINDS = {"queue_job_failure_kind"}
OF_OTHERS = (
    "res_users",
    "res_groups_users_rel",
    "ir_config_parameter",
    "ir_cron",
    "ir_act_server",
)

HOSTILE = (
    {"user_id": 1},
    {"method_name": "unlink"},
    {"args": ["forged"], "kwargs": {"forged": True}},
    {"records": {"_type": "odoo_recordset", "model": "res.users", "ids": [1]}},
    {"options": {}, "claim_token": 0, "result_json": "{}"},
    {"dependencies": {"reverse_depends_on": ["rpc-elsewhere"]}},
    {"state": "failed", "exc_name": "Forged"},
    {"attempt_ids": [(0, 0, {"number": 1})], "child_edge_ids": [(5, 0, 0)]},
    {"on_fail_method": "unlink"},
    {"related_action": {"func_name": "write", "kwargs": {"vals": {"user_id": 1}}}},
    {"edit_related_action": "{'func_name': 'unlink'}"},
    {"name": "<res.users>.unlink"},
    {"job_ids": [(6, 0, [1, 2, 3])], "paused": True},
    {"priority": 1, "channel": "root", "max_retries": 3},
    {"timeout": 5},
)

#: What the queue and Odoo put into contexts for themselves, as far as RPC can send it.
FORGED = {
    "install_mode": True,
    "_job_edit_sentinel": True,
    "queue_job_read_as": "reader",
    "job_uuid": "rpc-started",
}

ANYTHING = (None, [], {}, 1, "write", "requeue")


class RpcCase(JobCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.elsewhere = cls.env["res.company"].create({"name": "Elsewhere"})
        cls.users = {
            "public": cls.env.ref("base.public_user"),
            "portal": new_test_user(cls.env, "rpc_portal", groups="base.group_portal"),
            "employee": cls.plain_user,
            "owner": new_test_user(cls.env, "rpc_owner", groups="base.group_user"),
            "manager": cls.manager,
            "elsewhere": new_test_user(
                cls.env,
                "rpc_elsewhere",
                groups=f"base.group_user,{MANAGER_GROUP}",
                company_id=cls.elsewhere.id,
                company_ids=[(6, 0, cls.elsewhere.ids)],
            ),
            "admin": cls.env.ref("base.user_admin"),
            "watcher": new_test_user(
                cls.env, "rpc_watcher", groups=f"base.group_user,{WATCHER_GROUP}"
            ),
        }
        cls._make_settings()
        cls._make_jobs()
        cls._make_others()
        cls.all_jobs = cls.jobs.search([])
        cls.tables = cls._watched_tables()
        cls.env.flush_all()
        cls._seen = cls._counters()
        cls.snapshot = {table: cls._rows(table) for table in cls.tables}

    # -- what there is -------------------------------------------------------------

    @classmethod
    def _make_settings(cls):
        root = cls.env.ref("queue_job.channel_root")
        cls.channel = root.create({"name": "canary-setting", "parent_id": root.id})
        cls.function = cls.env["queue.job.function"].create(
            {
                "name": "<res.partner>.read",
                "channel_id": cls.channel.id,
                "on_fail_method": "exists",
            }
        )
        journal = cls.env["queue.job.journal"]
        journal.create({**journal._signed("pause"), "kind": "channel"})
        cls.env.flush_all()
        cls.env.cr.execute(  # no exception has such a name
            "UPDATE queue_job_function SET retry_on = 'canary-setting' WHERE id = %s",
            [cls.function.id],
        )
        cls.function.invalidate_recordset()
        cls.env["queue.job.statistic"].create(
            {
                "minute": fields.Datetime.now(),
                "function": "<res.partner>.read",
                "channel": "canary-setting",
                "run_max": 4711.25,
            }
        )

    @classmethod
    def _make_jobs(cls):
        home = cls.env.company
        cls.at_home = cls.jobs
        for state in ("failed", "pending", "started", "done"):
            cls.at_home += cls._job(f"rpc-{state}", "canary-home", home, state)
        cls.owned = cls._job("rpc-owned", "canary-home", home, "pending")
        cls.owned.write({"user_id": cls.users["owner"].id})
        cls.env.flush_all()
        cls.env.cr.execute(
            "UPDATE queue_job SET name = 'mine', exc_message = 'mine' WHERE id = %s",
            cls.owned.ids,
        )
        cls.env.invalidate_all()
        cls.away = cls._job("rpc-elsewhere", "canary-away", cls.elsewhere, "failed")
        kinds = cls.env["queue.job.failure.kind"]
        kinds._refresh()
        cls.kinds = kinds.search([("company_id", "=", home.id)])

    @classmethod
    def _job(cls, uuid, canary, company, state):
        partner = cls.env[ORDINARY].browse(1)
        job = cls.job(
            cls,
            state,
            uuid=uuid,
            name=canary,
            channel="root.canary-setting",
            company_id=company.id,
            user_id=1,
            records=partner,
            args=[["name"]],
            func_string=canary,
            exc_name=canary,
            exc_message=canary,
            exc_info=canary,
            result=canary,
            result_json=json.dumps({"type": "ir.actions.act_url", "url": canary}),
            graph_uuid=canary,
            channel_method_name="<res.partner>.read",
            job_function_id=cls.function.id,
            date_started="2026-01-01 00:00:00",
        )
        rows = (
            ("attempt", {"message": canary}),
            ("progress", {"message": canary}),
            ("progress", {"key": canary, "active": False}),
            ("signal", {"message": canary, "kind": "cancel"}),
            ("failure", {"function": canary, "date": fields.Datetime.now()}),
        )
        for name, values in rows:
            cls.env[f"queue.job.{name}"].create({"job_id": job.id, **values})
        cls.env["queue.job.lock"].create({"queue_job_id": job.id})
        notice = {"uuid": uuid, "name": canary, "state": state, "error": canary}
        cls.env["queue.job.notice"].create(
            {**notice, "partner_id": 1, "date": fields.Datetime.now()}
        )
        return job

    @classmethod
    def _make_others(cls):
        jobs = cls.at_home | cls.owned | cls.away
        wizards = ("queue.requeue.job", "queue.jobs.to.done", "queue.jobs.to.cancelled")
        wizards += ("queue.jobs.to.undo",)
        cls.records = {
            "queue.job": cls.at_home | cls.owned,
            "queue.job.function": cls.function,
            "queue.job.channel": cls.channel,
            "queue.job.failure.kind": cls.kinds,
            "ir.cron": cls.env.ref("queue_job.ir_cron_failure_digest"),
            ORDINARY: cls.env[ORDINARY].browse(1),
        }
        undone = cls._job("rpc-undo", "canary-home", cls.env.company, "pending")
        undone.with_user(cls.manager).button_cancelled()
        lines = cls.env["queue.job.journal"].search([])
        cls.wizards = {}
        for model, role in itertools.product(wizards, ROLES):
            user = cls.users[role] if role in MANAGERS else cls.env.user
            wizard = cls.env[model].with_user(user).create({})
            shown = {"job_ids": jobs, "journal_ids": lines}
            for name in shown.keys() & wizard._fields:
                wizard.sudo()[name] = shown[name]
            cls.wizards[model, role] = wizard.ids
        model = "queue.job.channel.pause"
        for role in ROLES:
            user = cls.users[role] if role in MANAGERS else cls.env.user
            values = {"channel_ids": cls.channel.ids}
            dialog = cls.env[model].with_user(user).create(values)
            cls.wizards[model, role] = dialog.ids

    @classmethod
    def own_models(cls):
        """The models that are ours."""
        return [
            name
            for name, model in sorted(cls.env.registry.items())
            if model._original_module in ADDONS
        ]

    # -- the calls -----------------------------------------------------------------

    @classmethod
    def own_methods(cls):
        """Return (model, method) of everything public which our addons define."""
        found = []
        for name in [*cls.own_models(), "ir.cron", "res.users", ORDINARY]:
            model = cls.env.registry[name]
            methods = (each for each in sorted(dir(model)) if cls.is_ours(model, each))
            found.extend((name, method) for method in methods)
        return found

    @staticmethod
    def is_ours(model, method):
        """Whether our addons define the method, and it looks like a public one."""
        value = getattr(model, method, None)
        if method.startswith("_") or not callable(value) or inspect.isclass(value):
            return False
        return any(
            method in vars(cls) and getattr(cls, "_module", None) in ADDONS
            for cls in model.mro()
            if getattr(cls, "pool", None) is None
            and (model._name == ORDINARY) == (getattr(cls, "_name", "") == "base")
        )

    def calls(self, model, method, role):
        """Yield (args, whether the call counts for the verdict).

        A call of somebody else's records alone says nothing of the role's rights.
        """
        function = getattr(self.env.registry[model], method)
        arguments = list(self._arguments(function, role))
        if getattr(function, "_api_model", False):
            yield from ((args, True) for args in arguments)
            return
        records = self.records.get(model)
        ids = records.ids if records else self.wizards.get((model, role), [])
        if not ids and self.env[model]._auto:
            ids = self.env[model].search([]).ids
        ids = ids or [1]
        all_states = role in (*MANAGERS, "owner") and len(arguments) < len(HOSTILE)
        each = ids if all_states else ids[-1:]
        for args in arguments:
            for one in each:
                yield [[one], *args], True
            for some in (ids, self.away.ids if model == "queue.job" else []):
                yield [some, *args], False

    def few_calls(self, model, method, role):
        """Yield args for a method that comes from Odoo."""
        function = getattr(self.env.registry[model], method)
        ids = [[]]
        if not getattr(function, "_api_model", False):
            ids = self._few_ids(model, role)
        writes = {"vals", "values"} & inspect.signature(function).parameters.keys()
        thorough = writes and model in ("queue.job", "queue.job.function")
        limit = None if thorough else 3
        for args in itertools.islice(self._arguments(function, role), limit):
            for some in ids:
                yield [*some, *args]

    def _few_ids(self, model, role):
        if model == "queue.job":
            return [[self.at_home[:1].ids], [self.away.ids]]
        records = self.records.get(model)
        ids = records.ids if records else self.wizards.get((model, role))
        if ids is None:
            ids = self.env[model].search([]).ids if self.env[model]._auto else []
        return [[ids]]

    def _arguments(self, function, role):
        """Yield lists of arguments, plausible and hostile ones."""
        plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind == plain
        ][1:]
        values = [self._values(name, role) for name in names]
        known = [each for each in values if each is not ANYTHING]
        for number in range(max(map(len, known or values), default=1)):
            yield [each[number % len(each)] for each in values]

    def _values(self, name, role):
        known = {
            "change": ("requeue", "button_done", "button_cancelled", "unlink"),
            "domain": ([], [("id", ">", 0)], [("exc_info", "like", "canary")]),
            "uuid": (*(self.at_home | self.away | self.owned).mapped("uuid"), False),
            "job_id": (*(self.at_home | self.away).ids, 0),
            "period": ("hour", "week", "never"),
            "names": (["<res.partner>.read"], []),
            "days": (7,),
            "function": ("<res.partner>.read",),
            "text_name": ("exc_info", "result"),
            "argument": ("1", "self"),
            "exc_name": ("canary-home", "canary-away"),
            "fingerprint": tuple(self.kinds.mapped("fingerprint")),
            "kind": (None, *self.kinds.mapped("fingerprint")),
            "field_name": ("channel", "state"),
            "stages": (None, [["a", 1]]),
            "message": (None, "stop"),
            "vals": HOSTILE,
            "values": HOSTILE,
            "vals_list": [[values] for values in HOSTILE],
            "specification": (
                {"display_name": {}},
                {"message": {}},
                {"name": {}, "exc_info": {}, "records": {}},
            ),
            "fields": (None, ["exc_info", "result", "records", "kwargs"]),
            "field_names": (None, ["exc_info"]),
            "fields_to_export": (["name", "exc_info", "user_id/login"],),
            "groupby": (["name"], ["state"]),
            "aggregates": (["__count"],),
            "limit": (None, 40),
            "states": (None, ["pending", "failed"]),
            "before": (None, 1),
            "ids": ([], [1, 2]),
            "offset": (0,),
            "order": (None, "user_id.password"),
        }
        return known.get(name, ANYTHING)

    # -- one call ------------------------------------------------------------------

    def try_call(self, role, model, method, args, context=None):
        """Make the call, check what it shows and changes, and undo it.

        :return: "yes", "no" (access error), "told" (other user error) or "error"
        """
        user, cr = self.users[role], self.env.cr
        self.env.transaction.clear()
        cr.execute("SAVEPOINT rpc")
        before = self._seen
        try:
            records = self.env(user=user)[model]
            answer = call_kw(records, method, list(args), {"context": context or {}})
            self.env.flush_all()
            outcome = "yes"
        except Exception as error:
            answer, outcome = str(error), _outcome(error)
            self.env.transaction.clear()
            cr.execute("ROLLBACK TO SAVEPOINT rpc")
        what = f"{role}: {model}.{method}(*{args!r})"
        try:
            self._check_answer(role, what, answer)
            self._seen = self._counters()
            touched = {name for name in before if before[name] != self._seen[name]}
            if outcome == "yes":
                self._check_changes(role, what, touched)
                if touched & CACHED:
                    self.env.registry.clear_cache()
        finally:
            self.env.transaction.clear()
            for hooks in (cr.precommit, cr.postcommit, cr.prerollback, cr.postrollback):
                hooks.clear()
            cr.execute("ROLLBACK TO SAVEPOINT rpc")
        return outcome

    def is_private(self, model, method):
        try:
            get_public_method(self.env[model], method)
        except (AccessError, AttributeError):
            return True
        return False

    def _check_answer(self, role, what, answer):
        hidden = {
            "manager": {"canary-away"},
            "watcher": {"canary-away"},
            "elsewhere": {"canary-home"},
            "admin": set(),
        }.get(role, {"canary", "4711.25"})
        text = f"{answer!r} {json.dumps(answer, default=str, skipkeys=True)}"
        for canary in hidden:
            # an argument may come back in a message
            if canary in text and canary not in what:
                self.fail(f"{what} shows what is not for this role: {text[:500]}")

    def _check_changes(self, role, what, tables):
        for table in tables:
            before, after = self.snapshot[table], self._rows(table)
            for key in before.keys() | after.keys():
                old, new = before.get(key), after.get(key)
                if old != new and not self._may_change(role, table, old, new):
                    self.fail(f"{what} changes {table}: {old} -> {new}")

    def _may_change(self, role, table, old, new):
        job = table == "queue_job"
        if table == "queue_job_journal":
            return self._may_note(role, old, new)
        if table == "queue_job_undo":
            return self._may_keep_for_undo(role, old, new)
        if role in MANAGERS:
            return self._may_manage(role, table, old, new)
        if role == "owner":
            if job:
                return (
                    old
                    and new
                    and old["id"] == self.owned.id
                    and new["state"] == "cancelled"
                )
            return table == "queue_job_signal" and not old
        return False

    def _may_note(self, role, old, new):
        """Rows are added in the name of who changes something."""
        writes = role in MANAGERS or role == "owner"
        if old and new:  # an undo counts what it has put back
            return writes and {**old, "undone_count": new["undone_count"]} == new
        return writes and not old and new["user_id"] == self.users[role].id

    def _may_manage(self, role, table, old, new):
        if table == "queue_job":
            return self._may_change_job(role, old, new)
        if table == "queue_job_function" and role != "admin":
            return not new or self._may_change_function(old or {}, new)
        if table in KINDS and role != "admin":
            return old and old["company_id"] == self.users[role].company_id.id
        keys = ("job_id", "queue_job_id", "uuid")  # of what goes with a job
        gone = new is None and any(old.get(key) for key in keys)
        if role == "admin" and table == "ir_cron":
            return True
        return gone or table in (*MANAGED, *KINDS, "queue_job_signal")

    def _may_keep_for_undo(self, role, old, new):
        """What a job was is kept by who changes it, and forgotten by an undo."""
        job_id = (old or new)["job_id"]
        theirs = {"elsewhere": self.away, "owner": self.owned}
        if role in MANAGERS:
            theirs.setdefault(role, self.all_jobs)
        theirs = theirs.get(role, self.jobs)
        is_away = job_id in self.away.ids and role == "manager"
        return not (old and new) and job_id in theirs.ids and not is_away

    def _may_change_function(self, old, new):
        chosen = new["on_fail_method"] in (None, old.get("on_fail_method"))
        hostile = re.search("unlink|write", str(new["related_action"]))
        return chosen and not hostile

    def _may_change_job(self, role, old, new):
        if not old:  # the same call again, as a requeue would make it
            return self._call_of(new) in map(self._call_of, self._seen_by(role))
        changed = {name for name in old if new and old[name] != new[name]}
        if changed and changed <= SETTINGS_OF_ALL:
            return True
        companies = (None, self.users[role].company_id.id)
        if role != "admin" and old["company_id"] not in companies:
            return False
        if not new:
            return old["state"] in ("done", "failed", "cancelled")
        chosen = role == "admin" or new["user_id"] == self.users[role].id
        return not changed & CALL_COLUMNS and (chosen or not changed & WHOSE_COLUMNS)

    @staticmethod
    def _call_of(row):
        return [row[name] for name in ("user_id", "records", "method_name", "args")]

    def _seen_by(self, role):
        jobs = self.away if role == "elsewhere" else self.at_home | self.owned
        return [self.snapshot["queue_job"][job_id] for job_id in jobs.ids]

    @classmethod
    def _watched_tables(cls):
        own = [
            cls.env[name]._table
            for name in cls.own_models()
            if cls.env[name]._auto and not cls.env[name]._transient
        ]
        return [*own, *OF_OTHERS]

    @classmethod
    def _rows(cls, table):
        query = f"SELECT to_jsonb(t) FROM {table} t"  # pylint: disable=sql-injection
        cls.env.cr.execute(query)
        rows = [row for (row,) in cls.env.cr.fetchall()]
        return {row.get("id", tuple(row.values())): row for row in rows}

    @classmethod
    def _counters(cls):
        """Return {table: how many rows were touched, by undone calls too}."""
        cls.env.cr.execute(
            "SELECT name, pg_stat_get_xact_tuples_inserted(name::regclass)"
            " + pg_stat_get_xact_tuples_updated(name::regclass)"
            " + pg_stat_get_xact_tuples_deleted(name::regclass)"
            " FROM unnest(%s) AS name",
            [cls.tables],
        )
        return dict(cls.env.cr.fetchall())


def _outcome(error):
    if isinstance(error, AccessError):
        return "no"
    # Odoo tells of the latter in the way of the former
    return "told" if isinstance(error, UserError | IntegrityError) else "error"
