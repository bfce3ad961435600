# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every role tries every public method of every model over RPC.

`rpc_verdicts.txt` holds what each role is to get from each of our methods. What comes
from Odoo has no verdicts: it shows and changes no more than the rights allow.
"""

from odoo.tests import tagged
from odoo.tools import mute_logger
from odoo.tools.misc import file_open

from .rpc_case import FORGED, ROLES, RpcCase

TABLE = "queue_job/tests/rpc_verdicts.txt"

#: Of the methods that come from Odoo, those that are tried on each of our models.
USUAL = (
    *("create", "write", "unlink", "read", "search_read", "web_save", "web_read"),
    *("export_data", "copy", "name_search", "formatted_read_group"),
)

#: Of the roles without rights one is enough: Odoo's methods know the rights alone.
FEW_ROLES = ("employee", "manager", "elsewhere", "watcher")

MUTED = (
    "odoo.addons.base.models.ir_model",
    "odoo.addons.base.models.ir_rule",
    "odoo.addons.queue_job",
    "odoo.models.unlink",
    "odoo.registry",
    "odoo.sql_db",
    "py.warnings",
    "odoo.addons.mail",
    "odoo.orm",
    "odoo.domains",
    "odoo.fields",
)


def read_table():
    """Return {(model, method): {role: verdict}}."""
    with file_open(TABLE) as file:
        lines = [line.split() for line in file if line.strip() and line[0] != "#"]
    return {
        tuple(name.rsplit(".", 1)): dict(zip(ROLES, verdicts, strict=True))
        for name, *verdicts in lines
    }


@tagged("post_install", "-at_install")
class TestRpc(RpcCase):
    def test_each_public_method_has_its_verdict(self):
        table = read_table()
        for model, method in self.own_methods():
            if not self.is_private(model, method):
                with self.subTest(f"{model}.{method}"):
                    self._check(model, method, table.pop((model, method), None))
        self.assertFalse(table, f"take them out of {TABLE}: they are not public")

    def _check(self, model, method, expected):
        found = self.verdicts(model, method)
        line = f"{model}.{method} {' '.join(found.values())}"
        self.assertTrue(
            expected,
            "every user may call a public method over RPC: make it @api.private, or"
            f" judge what each role gets from it, and add it to {TABLE}: {line}",
        )
        self.assertEqual(found, expected, f"{TABLE} says otherwise")

    @mute_logger(*MUTED)
    def verdicts(self, model, method):
        return {role: self.verdict(role, model, method) for role in ROLES}

    def verdict(self, role, model, method):
        """The best of what the role got."""
        got = set()
        contexts = ({}, FORGED) if method in ("create", "write") else ({},)
        for args, counts in self.calls(model, method, role):
            for context in contexts:
                outcome = self.try_call(role, model, method, args, context)
                if counts:
                    got.add(outcome)
        return next(each for each in ("yes", "no", "told", "error") if each in got)

    @mute_logger(*MUTED)
    def test_what_comes_from_odoo_keeps_to_the_rights(self):
        for model in self.own_models():
            everything = model in ("queue.job", "queue.job.function")
            methods = dir(self.env.registry[model]) if everything else USUAL
            for method in methods:
                cls = self.env.registry[model]
                if self.is_private(model, method) or self.is_ours(cls, method):
                    continue
                with self.subTest(f"{model}.{method}"):
                    self._try_everything(model, method)

    def _try_everything(self, model, method):
        for role in FEW_ROLES:
            for args in self.few_calls(model, method, role):
                self.try_call(role, model, method, args, FORGED)
