# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the arguments of a job become in JSON, and what comes back."""

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from lxml import etree

from odoo import fields, models
from odoo.fields import Command
from odoo.tests import TransactionCase
from odoo.tools.func import lazy

from ..fields import JobDecoder, JobEncoder, JobSerialized, decode, encode


class TestJson(TransactionCase):
    def dump(self, value):
        return json.loads(json.dumps(value, cls=JobEncoder))

    def load(self, value):
        return json.loads(json.dumps(value), cls=JobDecoder, env=self.env)

    def test_recordset(self):
        user = self.env.ref("base.user_root").with_context(lang="en_US", dropped=object)
        self.assertEqual(
            self.dump(user),
            {
                "_type": "odoo_recordset",
                "model": "res.users",
                "ids": [user.id],
                "uid": self.env.uid,
                "su": self.env.su,
                "context": {"lang": "en_US"},
            },
        )

    def test_recordset_keeps_user_and_su(self):
        demo = self.env.ref("base.user_admin")
        records = self.env["res.partner"].with_user(demo).browse([1, 2])
        loaded = self.load(self.dump(records.with_context(tz="UTC")))
        self.assertEqual(loaded, records)
        self.assertEqual(loaded.env.uid, demo.id)
        self.assertFalse(loaded.env.su)
        self.assertEqual(loaded.env.context.get("tz"), "UTC")
        self.assertTrue(self.load(self.dump(records.sudo())).env.su)

    def test_recordset_without_user(self):
        value = {"_type": "odoo_recordset", "model": "res.users", "ids": [1], "su": 0}
        self.assertEqual(self.load(value).env.uid, self.env.uid)

    def test_dates(self):
        moment = datetime(2017, 4, 19, 8, 48, 50, 1)
        self.assertEqual(
            self.dump([moment, moment.date()]),
            [
                {
                    "_type": "datetime_isoformat",
                    "value": "2017-04-19T08:48:50.000001",
                },
                {"_type": "date_isoformat", "value": "2017-04-19"},
            ],
        )

    def test_etree(self):
        node = etree.fromstring("<root><child a='é'>text</child></root>")
        tagged = self.dump(node)
        self.assertEqual(tagged["_type"], "etree_element")
        loaded = self.load(tagged)
        self.assertEqual(etree.tostring(loaded), etree.tostring(node))

    def test_lazy(self):
        self.assertEqual(self.dump([lazy(lambda: "value")]), ["value"])

    def test_round_trips(self):
        zone = timezone(timedelta(hours=2))
        cases = [
            ["text", 1, 1.5, True, None],
            {"nested": {"list": [1, {"a": date(2026, 1, 1)}]}},
            [b"\x00\xffbytes"],
            [Decimal("1.10")],
            [{1, 2, 3}],
            [("a", ("b", [("c",)]))],
            [datetime(2026, 1, 1, 10, tzinfo=zone)],
            [Command.create({"name": "x"}), Command.set([1, 2]), Command.link(3)],
            ["NUL \0 in a text"],
            [{"_type": "of somebody else", "value": 3}],
            [{"_type": "python_set"}],
            [{(1, 2), (3, 4)}],
        ]
        for value in cases:
            with self.subTest(value=value):
                loaded = decode(encode(value), self.env)
                self.assertEqual(loaded, value)
                self.assertEqual(repr(loaded), repr(decode(encode(loaded), self.env)))
        self.assertIsInstance(decode(encode([(1,)]), self.env)[0], tuple)

    def test_aware_datetime_keeps_its_offset(self):
        zone = timezone(timedelta(hours=2))
        (loaded,) = decode(encode([datetime(2026, 1, 1, 10, tzinfo=zone)]), self.env)
        self.assertEqual(loaded.utcoffset(), timedelta(hours=2))

    def test_recordsets_in_new_containers(self):
        users = self.env["res.users"].browse([1])
        value = [(users, {"set": {5}})]
        self.assertEqual(decode(encode(value), self.env), value)

    def test_the_outermost_tuple_is_a_list(self):
        self.assertEqual(encode((1, 2)), "[1, 2]")

    def test_int_keys_become_texts(self):
        self.assertEqual(decode(encode({1: "a"}), self.env), {"1": "a"})

    def test_other_values_are_refused(self):
        for value in (object(), 1j, lambda: None, {(1, 2): "key"}):
            with self.subTest(value=value), self.assertRaises(TypeError):
                encode([value])


class TestJobSerialized(TransactionCase):
    def field_of(self, base_type):
        field = JobSerialized(base_type=base_type)
        field._setup_attrs__(type(self.env["queue.job"]), "some_field")
        return field

    def test_unsupported_base_type(self):
        with self.assertRaisesRegex(ValueError, "is not a supported base type"):
            self.field_of(int)

    def test_empty_values(self):
        job = self.env["queue.job"]
        cases = [(dict, {}), (list, []), (tuple, [])]
        for base_type, expected in cases:
            value = self.field_of(base_type).convert_to_record(None, job)
            self.assertEqual(value, expected)
        records = self.field_of(models.BaseModel).convert_to_record(None, job)
        self.assertEqual(records._name, "base")
        self.assertFalse(records)

    def test_a_fresh_object_each_time(self):
        field = self.field_of(dict)
        cached = field.convert_to_cache({"a": [1]}, self.env["queue.job"])
        first = field.convert_to_record(cached, self.env["queue.job"])
        first["a"].append(2)
        second = field.convert_to_record(cached, self.env["queue.job"])
        self.assertEqual(second, {"a": [1]})

    def test_real_json_in_the_column_is_read(self):
        job = self.env["queue.job"].create(
            {
                "uuid": "real-json",
                "state": "pending",
                "model_name": "res.partner",
                "method_name": "read",
                "args": ("a", date(2026, 1, 1)),
            }
        )
        self.assertEqual(job.args, ["a", date(2026, 1, 1)])
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE queue_job SET kwargs = '{"a": {"_type": "date_isoformat",
            "value": "2026-01-02"}}' WHERE id = %s RETURNING jsonb_typeof(args)""",
            [job.id],
        )
        self.assertEqual(self.env.cr.fetchone()[0], "string")
        job.invalidate_recordset()
        self.assertEqual(job.kwargs, {"a": date(2026, 1, 2)})
        self.assertEqual(job.args, ["a", date(2026, 1, 1)])

    def test_export(self):
        field = self.field_of(dict)
        self.assertEqual(field.convert_to_export({}, self.env["queue.job"]), "")
        self.assertEqual(field.convert_to_export({"a": 1}, None), '{"a": 1}')

    def test_type(self):
        self.assertIsInstance(self.field_of(dict), fields.Json)
        self.assertEqual(JobSerialized.type, "job_serialized")
