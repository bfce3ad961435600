# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Job functions: names, edition as text, configuration."""

from odoo.exceptions import UserError
from odoo.tests import TransactionCase

from odoo.addons.queue_job.core.delays import LONGEST, Fault


class FunctionCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.functions = cls.env["queue.job.function"]

    def function(self, name="<res.users>.read", **values):
        return self.functions.create({"name": name, **values})


class TestName(FunctionCase):
    def test_from_parts(self):
        model = self.env.ref("base.model_res_users")
        function = self.functions.create({"model_id": model.id, "method": "read"})
        self.assertEqual(function.name, "<res.users>.read")
        self.assertEqual(self.functions.new({"method": "read"}).name, "")

    def test_several_from_names(self):
        functions = self.functions.create(
            [{"name": "<res.users>.read"}, {"name": "<res.partner>.write"}]
        )
        self.assertEqual(
            functions.mapped("model_id.model"), ["res.users", "res.partner"]
        )
        self.assertEqual(functions.mapped("method"), ["read", "write"])

    def test_invalid(self):
        with self.assertRaisesRegex(UserError, "Invalid job function: res.users.read"):
            self.function("res.users.read")
        with self.assertRaisesRegex(UserError, "Model no.model not found"):
            self.function("<no.model>.read")


class TestEdition(FunctionCase):
    def test_retry_pattern_round_trip(self):
        function = self.function()
        for text in ("{1: (10, 20), 2: (20, 40)}", "{1: 10, 2: 20}", "{}"):
            function.edit_retry_pattern = text
            function.invalidate_recordset()
            self.assertEqual(function.edit_retry_pattern, text)

    def test_empty_text(self):
        function = self.function(edit_retry_pattern="{1: 10}")
        function.edit_retry_pattern = False
        self.assertEqual(function.retry_pattern, {})

    def test_related_action_round_trip(self):
        text = "{'enable': True, 'func_name': 'foo', 'kwargs': {'b': 4}}"
        function = self.function(edit_related_action=text)
        function.invalidate_recordset()
        self.assertEqual(function.edit_related_action, text)

    def test_several_in_one_create(self):
        functions = self.functions.create(
            [
                {"name": "<res.users>.read", "edit_retry_pattern": "{1: 1}"},
                {"name": "<res.users>.write", "edit_retry_pattern": "{1: 2}"},
            ]
        )
        self.assertEqual(
            functions.mapped(lambda f: f._parse_retry_pattern()), [{1: 1}, {1: 2}]
        )

    def test_invalid_retry_patterns(self):
        for text in ("{1: (1, 2, 3)}", "{'a': 1}", "{1: 'b'}", "[1]", "{1: x}", "{"):
            with self.subTest(text), self.assertRaises(UserError):
                self.function(edit_retry_pattern=text)

    def test_the_message_names_each_entry_and_what_to_give(self):
        cases = [
            ("{1: (10, 1)}", r"'?1'?: [(\[]10, 1.: give the smaller number .* first"),
            ("{1: -5, 2: 3}", "'?1'?: -5: give 0 or more seconds"),
            ("{1: 99999999999}", "'?1'?: 99999999999: give 315360000 seconds at most"),
            ("{1: 1e999}", "'?1'?: inf: give 315360000 seconds at most"),
            ("{'a': 1}", "'a': 1: give the number of an attempt"),
            ("{1: 1j}", "'?1'?: 1j: give seconds, or two"),
            ("{(1, 2): 3}", r"\(1, 2\): 3: give the number of an attempt"),
        ]
        for text, message in cases:
            with self.subTest(text), self.assertRaisesRegex(UserError, message):
                self.function(edit_retry_pattern=text)
        with self.assertRaisesRegex(UserError, "give a dictionary"):
            self.function(retry_pattern=[1])

    def test_every_fault_has_a_remedy(self):
        self.assertEqual(set(self.functions._retry_pattern_remedies()), set(Fault))

    def test_a_literal_too_deep(self):
        with self.assertRaisesRegex(UserError, "not a valid Python literal"):
            self.function(edit_retry_pattern="(" * 5000)

    def test_message_names_the_function(self):
        with self.assertRaisesRegex(
            UserError, "Unexpected format of Retry Pattern for <res.users>.read"
        ):
            self.function(retry_pattern={"a": 1})
        with self.assertRaisesRegex(
            UserError, "Unexpected format of Related Action for <res.users>.read"
        ):
            self.function(related_action={"other": 1})


class TestConfig(FunctionCase):
    def test_default(self):
        config = self.functions.job_config("<res.users>.no_such")
        self.assertEqual(config, self.functions.job_default_config())
        self.assertEqual(
            tuple(config)[:8], ("root", {}, True, None, {}, None, False, None)
        )

    def test_eight_values_are_enough(self):
        config = self.functions.JobConfig("root", {}, True, None, {}, None, False, None)
        self.assertEqual((config.timeout, config.forbid_commit), (None, False))

    def test_values(self):
        channel = self.env["queue.job.channel"].create(
            {"name": "sub", "parent_id": self.env.ref("queue_job.channel_root").id}
        )
        function = self.function(
            channel_id=channel.id,
            retry_pattern={1: 60, 2: (1, 2)},
            related_action={"enable": False, "func_name": "f", "kwargs": {"a": 1}},
            allow_commit=True,
            on_fail_method="exists",
            timeout=30,
            forbid_commit=True,
        )
        self.assertEqual(
            self.functions.job_config("<res.users>.read"),
            self.functions.JobConfig(
                channel="root.sub",
                retry_pattern={1: 60, 2: (1, 2)},
                related_action_enable=False,
                related_action_func_name="f",
                related_action_kwargs={"a": 1},
                job_function_id=function.id,
                allow_commit=True,
                on_fail_method_name="exists",
                timeout=30,
                forbid_commit=True,
            ),
        )

    def test_one_statement_cold_none_warm(self):
        self.function(retry_pattern={1: 60})
        self.env.flush_all()
        self.functions._renamed()  # one for all functions
        for name in ("<res.users>.read", "<res.users>.no_such"):
            self.env.invalidate_all()
            with self.assertQueryCount(1):
                self.functions.job_config(name)
            with self.assertQueryCount(0):
                self.functions.job_config(name)

    def test_cache_follows_changes(self):
        def channel():
            return self.functions.job_config("<res.users>.read").channel

        root = self.env.ref("queue_job.channel_root")
        sub = root.create({"name": "sub", "parent_id": root.id})
        self.assertEqual(channel(), "root")
        function = self.function(channel_id=sub.id)
        self.assertEqual(channel(), "root.sub")
        sub.name = "other"
        self.assertEqual(channel(), "root.other")
        function.channel_id = root
        self.assertEqual(channel(), "root")
        function.channel_id = sub
        function.unlink()
        self.assertEqual(channel(), "root")

    def with_pattern_of_sql(self, text):
        function = self.functions.search([("name", "=", "<res.users>.read")])
        function = function or self.function()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job_function SET retry_pattern = %s WHERE id = %s",
            [text, function.id],
        )
        function.invalidate_recordset()
        return function

    def test_broken_retry_pattern_in_the_database(self):
        cases = [
            ('{"a": 1}', "ERROR", {}),
            ('{"1": [1, 2, 3]}', "ERROR", {}),
            ('{"1": {"2": 3}}', "ERROR", {}),
            ('{"1": null}', "ERROR", {}),
            ("[1]", "ERROR", {}),
            ("12", "ERROR", {}),
            ('"{broken"', "ERROR", {}),
            ('"{\\"1\\": NaN}"', "ERROR", {}),
            ('{"1": [10, 1]}', "WARNING", {1: (1, 10)}),
            ('{"1": -5}', "WARNING", {1: 0}),
            ('{"1": 99999999999}', "WARNING", {1: LONGEST}),
            ('"{\\"1\\": Infinity}"', "WARNING", {1: LONGEST}),
        ]
        name = "odoo.addons.queue_job.models.queue_job_function"
        for text, level, expected in cases:
            with self.subTest(text):
                function = self.with_pattern_of_sql(text)
                self.env.registry.clear_cache()
                with self.assertLogs(name, level) as logs:
                    config = self.functions.job_config("<res.users>.read")
                self.assertEqual(config.retry_pattern, expected)
                self.assertEqual(len(logs.records), 1)
                self.assertEqual(logs.records[0].levelname, level)
                self.assertIn("<res.users>.read", logs.output[0])
                # said once
                with self.assertNoLogs(name):
                    self.functions.job_config("<res.users>.read")
                self.assertTrue(function.edit_retry_pattern)

    def test_a_broken_pattern_is_shown_to_whoever_mends_it(self):
        function = self.with_pattern_of_sql('{"1": [10, 1]}')
        self.assertEqual(function.edit_retry_pattern, "{'1': [10, 1]}")

    def test_no_pattern(self):
        for text in (None, "null", "{}"):
            function = self.with_pattern_of_sql(text)
            self.assertEqual(function._parse_retry_pattern(), {})


class TestInstallMode(FunctionCase):
    def declare(self, **values):
        return self.functions.with_context(install_mode=True).create(values)

    def test_merge_by_name_or_by_parts(self):
        model = self.env.ref("base.model_res_users")
        first = self.declare(name="<res.users>.read", retry_pattern={1: 1})
        second = self.declare(model_id=model.id, method="read", retry_pattern={1: 2})
        third = self.declare(name="<res.users>.read", timeout=5)
        self.assertEqual((first, first), (second, third))
        self.assertEqual(first._parse_retry_pattern(), {1: 2})
        self.assertEqual(first.timeout, 5)

    def test_noupdate_is_respected(self):
        first = self.declare(name="<res.users>.read", timeout=1)
        self.env["ir.model.data"].create(
            {
                "name": "test_function",
                "module": "queue_job",
                "model": "queue.job.function",
                "res_id": first.id,
                "noupdate": True,
            }
        )
        self.assertEqual(self.declare(name="<res.users>.read", timeout=2), first)
        self.assertEqual(first.timeout, 1)
