# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the arguments of a job become in JSON, and what comes back."""

import io
import json
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import lxml.html
from freezegun import freeze_time
from lxml import etree
from markupsafe import Markup
from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.fields import Command, Domain
from odoo.tests import TransactionCase, new_test_user
from odoo.tools import SQL
from odoo.tools.func import lazy
from odoo.tools.misc import (
    DotDict,
    LastOrderedSet,
    OrderedSet,
    ReadonlyDict,
    frozendict,
)
from odoo.tools.translate import LazyTranslate

from ..core.values import SEAL
from ..fields import JobDecoder, JobEncoder, JobSerialized, decode, encode, rebind_to_cr
from ..job import Job


class Text(str, Enum):
    A = "a"


class Number(IntEnum):
    A = 1


class Moment(datetime):
    """As of a library that knows more than microseconds."""

    def __eq__(self, other):
        return self is other

    def __ne__(self, other):
        return self is not other

    __hash__ = datetime.__hash__


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

    def test_other_shapes_are_those_of_the_community(self):
        """Ordinary data is as anybody expects it: others read it."""
        value = {"a": [1, 2.5, True, None, {"b": "é"}], "_Type": {}}
        self.assertEqual(encode(value), json.dumps(value))
        self.assertEqual(encode((1, [2])), "[1, [2]]")

    def test_the_context_of_records(self):
        user = self.env.user.with_context(tz="UTC", allowed_company_ids=[1, 2])
        self.assertEqual(
            self.dump(user)["context"], {"tz": "UTC", "allowed_company_ids": [1, 2]}
        )
        user = self.env.user.with_context(allowed_company_ids=(1, 2))
        loaded = self.load(self.dump(user))
        self.assertEqual(loaded.env.context["allowed_company_ids"], (1, 2))

    def assert_comes_back(self, value, expected=None):
        expected = value if expected is None else expected
        for holder in ([value], {"key": value}, ({"deep": [value]},)):
            loaded = decode(encode(holder), self.env)
            found = loaded[0] if isinstance(holder, (list, tuple)) else loaded["key"]
            found = found["deep"][0] if isinstance(holder, tuple) else found
            self.assertEqual(found, expected)
            self.assertEqual(repr(found), repr(expected))
            self.assertIs(type(found), type(expected))

    def test_round_trips(self):
        users = self.env["res.users"].browse([1])
        empty = self.env["res.users"]
        cases = [
            ["text", 1, 1.5, -0.0, True, None, 10**100],
            {"nested": {"list": [1, {"a": date(2026, 1, 1)}]}},
            ("a", ("b", [("c",)])),
            (),
            "NUL \0, half a pair \udcff, \u2028",
            Markup("<b>&amp;</b>"),
            b"\x00\xffbytes",
            bytearray(b"\x00\xff"),
            *(Decimal("1.10"), Decimal("NaN"), Decimal("-Infinity")),
            *(float("inf"), float("-inf"), float("nan")),
            datetime(2026, 1, 1, 10, 0, 0, 1),
            datetime(2026, 1, 1, 10, tzinfo=timezone.utc),
            datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2, seconds=3))),
            *(datetime(2026, 10, 25, 2, fold=1), time(2, fold=1)),
            *(time(1, 2, 3, 4), time(1, tzinfo=timezone(timedelta(hours=-3)))),
            *(timedelta(days=-1, microseconds=3), timedelta.max),
            UUID(int=5),
            range(1, 10, 3),
            *({1, 2, 3}, {(1, 2), (3, 4)}, set(), frozenset({(1, frozenset())})),
            *(OrderedSet([3, 1, 2]), LastOrderedSet([3, 1])),
            *(deque([1, (2,)]), deque([1], maxlen=3)),
            # keys
            *({1: "a", "1": "b"}, {users: {"name": "x"}}, {None: 1, True: 2, "": 3}),
            {(1, date(2026, 1, 1)): 1, 1.5: {2: 3}, Decimal("1"): Markup("x")},
            *(frozendict(a=1), frozendict({1: (2,)}), {frozendict(a=1): 1}),
            *(OrderedDict([("b", 1), ("a", 2)]), Counter("aab")),
            *(defaultdict(list, a=[1]), defaultdict(None, {1: 2})),
            # what looks like an object of the store
            {"_type": "odoo_recordset", "model": "res.users", "ids": [1], "su": True},
            {"_type": "python_dict", "value": [["a", 1]]},
            {"_type": "of somebody else", "value": 3},
            *({"_type": "python_set"}, {"_type": ["x"], "value": 1}, {"_type": None}),
            {"_type": {"_type": "python_set", "value": [{"_type": "markup"}]}},
            # Odoo's own
            *(users, empty, (users, {"set": {5}}), {users, empty.browse([2])}),
            *(Domain.TRUE, Domain.FALSE, Domain("name", "=", "x")),
            Domain("a", "in", {1, 2}) & ~Domain("b.c", "<", date(2026, 1, 1)),
            Domain("a", "=", 1) | (Domain("b", "=", 2) & Domain("c", "=", 3)),
            Domain("a", "any", Domain("b", "in", OrderedSet([1]))),
            Domain("a", "any!", [("b", "=", 1)]),
            [("&"), ("name", "=", "x"), ("id", "in", (1, 2))],
        ]
        for value in cases:
            with self.subTest(value=value):
                if value != value:  # a number that is none
                    value = [value]
                    self.assertEqual(repr(decode(encode(value), self.env)), repr(value))
                    continue
                self.assert_comes_back(value)

    def test_the_keys_of_a_dictionary_stay_apart(self):
        values = {1: "a", "1": "b", 1.5: "c", "1.5": "d", None: "e", "null": "f"}
        self.assertEqual(decode(encode(values), self.env), values)

    def test_equal_though_of_another_class(self):
        text = etree.fromstring("<a>é</a>").xpath("text()")[0]
        zone = ZoneInfo("Europe/Brussels")
        moment = datetime(2026, 7, 1, 12, tzinfo=zone)
        cases = [
            (Command.create({"name": "x"}), (0, 0, {"name": "x"})),
            ([Command.set([1]), Command.clear()], [(6, 0, [1]), (5, 0, 0)]),
            (text, "é"),
            (lazy(lambda: (1, "x")), (1, "x")),
            (moment, moment.astimezone(timezone(timedelta(hours=2)))),
        ]
        for value, expected in cases:
            with self.subTest(value=value):
                self.assert_comes_back(value, expected)
        with freeze_time("2026-01-01"):
            self.assert_comes_back([fields.Datetime.now(), fields.Date.today()])

    def test_offsets_of_old_zones(self):
        value = datetime(1800, 1, 1, tzinfo=ZoneInfo("Europe/Brussels"))
        (loaded,) = decode(encode([value]), self.env)
        self.assertEqual((loaded, loaded.utcoffset()), (value, value.utcoffset()))

    def test_elements(self):
        root = etree.fromstring("<r xmlns:x='u'><x:a b='1'>é &lt; </x:a>tail<b/></r>")
        huge = etree.fromstring("<a/>")
        huge.text = "x" * 11_000_000
        for node in (root, root[0], root[1], huge):
            (loaded,) = decode(encode([node]), self.env)
            text = etree.tostring(node, with_tail=False)
            self.assertEqual(etree.tostring(loaded), text)

    def test_mapped_recordsets_are_found_by_equal_records(self):
        partners = self.env["res.partner"].search([], limit=2)
        loaded = decode(encode([{p: p.id for p in partners}]), self.env)[0]
        self.assertEqual([loaded[partner] for partner in partners], partners.ids)

    def test_the_outermost_tuple_is_a_list(self):
        self.assertEqual(encode((1, 2)), "[1, 2]")

    def test_own_tags_of_a_subclass(self):
        class Encoder(JobEncoder):
            def default(self, obj):
                if isinstance(obj, complex):
                    return {"_type": "complex", "value": [obj.real, obj.imag]}
                return super().default(obj)

        text = json.dumps([1j, {"a": (1,)}], cls=Encoder)
        expected = [
            {"_type": "complex", "value": [0.0, 1.0]},
            {"a": {"_type": "python_tuple", "value": [1]}},
        ]
        self.assertEqual(json.loads(text), expected)

    def test_what_is_refused(self):
        pair = namedtuple("pair", "a b")(1, 2)
        color = Enum("Color", "RED").RED
        text = type("Text", (str,), {})("x")
        partners = self.env["res.partner"]
        one = partners.search([], limit=1)
        html = lxml.html.fromstring("<p>x</p>")
        cases = [
            (object(), "object is not JSON serializable"),
            *((1j, "complex"), (lambda: None, "function"), (str, "type")),
            *((pair, r"tuple\("), (color, "value of the member")),
            *((text, r"str\("), (Text.A, "value of the member")),
            (type("Number", (int,), {})(1), r"int\("),
            *((type("Real", (float,), {})(1), r"float\("), (Number.A, "value of")),
            *((type("Items", (list,), {})(), r"list\("), (DotDict(a=1), r"dict\(")),
            (ReadonlyDict({"a": 1}), r"dict\("),
            (types.MappingProxyType({"a": 1}), r"dict\("),
            (defaultdict(lambda: 1), r"dict\("),
            *(({}.values(), r"list\("), (map(str, [1]), r"list\(")),
            *((iter([1]), r"list\("), ((n for n in [1]), r"list\(")),
            (memoryview(b"x"), r"bytes\("),
            (io.BytesIO(b"x"), "in the file"),
            (Path("a"), r"str\("),
            (LazyTranslate("base")("Name"), r"str\("),
            *((html, "its text"), (etree.Comment("x"), "its text")),
            (time(1, tzinfo=ZoneInfo("Europe/Brussels")), "no offset"),
            (time(1, tzinfo=timezone(timedelta(microseconds=1))), "no offset"),
            *((Domain.custom(to_sql=print), "is SQL"), (SQL("1"), "SQL")),
            *((Moment(2026, 1, 1), "no plain datetime"), (ValueError(), "ValueError")),
            *((self.env, "Environment"), (self.env.cr, "not JSON serializable")),
            (partners.new({"name": "x"}), "is not saved"),
            (partners.new(origin=one), "is not saved"),
            (one + partners.new({"name": "x"}), "is not saved"),
            (partners.new().id, "not saved"),
            (one.with_env(api.Environment(self.env.cr, None, {})), "has no user"),
        ]
        for value, message in cases:
            for holder in ([value], {"key": (value,)}, {1: value}):
                with (
                    self.subTest(value=type(value)),
                    self.assertRaisesRegex((TypeError, ValueError), message),
                ):
                    encode(holder)

    def test_a_class_of_its_own_is_refused_as_outermost_value(self):
        for value in (namedtuple("pair", "a b")(1, 2), Text.A, Number.A):
            with self.subTest(value=value), self.assertRaises(TypeError):
                encode(value)
            with self.assertRaises(TypeError):
                json.dumps(value, cls=JobEncoder)

    def test_what_holds_itself_is_refused(self):
        items, values = [], {}
        items.append(items)
        values[1] = (values,)
        for value in (items, values, [items, items]):
            with self.assertRaisesRegex(ValueError, "holds itself"):
                encode(value)

    def test_depth(self):
        def nested(depth):
            value = None
            for number in range(depth):
                value = ({number: value},) if number % 2 else [value]
            return value

        value = nested(100 * 2 // 3)
        self.assertEqual(decode(encode([value]), self.env), [value])
        self.assertEqual(rebind_to_cr(value, self.env.cr), value)
        with self.assertRaisesRegex(ValueError, "more than 100 levels"):
            encode(nested(100))
        encode([1] * 1000)  # side by side is no depth


class TestSeal(TransactionCase):
    """Texts from before dictionaries were tagged: who wrote what looks like a tag?"""

    ADMIN = {
        "_type": "odoo_recordset",
        "model": "res.users",
        "ids": [2],
        "uid": 2,
        "su": True,
        "context": {},
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "enqueuer", groups="base.group_user")
        cls.partner = cls.env.user.partner_id.with_user(cls.user)

    def stored(self, job, **columns):
        """Write columns as other versions and addons do, and load the job."""
        for name, value in columns.items():
            statement = SQL(
                "UPDATE queue_job SET %s = %s WHERE uuid = %s",
                SQL.identifier(name),
                Json(value),
                job.uuid,
            )
            self.env.cr.execute(statement)
        self.env.invalidate_all()
        return Job.load(self.env, job.uuid)

    def test_what_a_stranger_sends_is_data(self):
        job = self.partner.with_delay().write(self.ADMIN)
        self.assertEqual(self.stored(job).args, (self.ADMIN,))
        job = self.partner.with_delay().write(**self.ADMIN)
        self.assertEqual(self.stored(job).kwargs, self.ADMIN)

    def test_given_rights_stay(self):
        record = self.partner.sudo().with_user(2).sudo()
        job = self.partner.with_delay().write({"a": record}, b=[record])
        loaded = self.stored(job)
        for found in (loaded.args[0]["a"], loaded.kwargs["b"][0]):
            self.assertEqual((found.env.uid, found.env.su), (2, True))

    def test_records_of_before_have_the_rights_of_the_job(self):
        job = self.partner.with_delay().write(1)
        text = json.dumps([self.ADMIN])
        for value in (text, [self.ADMIN]):  # as a JSON string, as real JSON
            (record,) = self.stored(job, args=value).args
            self.assertEqual(record, self.env["res.users"].browse(2))
            self.assertEqual((record.env.user, record.env.su), (self.user, False))
        job = self.partner.sudo().with_delay().write(1)
        (record,) = self.stored(job, args=text).args
        self.assertEqual((record.env.uid, record.env.su), (2, True))
        anybody = {key: val for key, val in self.ADMIN.items() if key != "uid"}
        job = self.partner.with_delay().write(1)
        (record,) = self.stored(job, args=json.dumps([anybody])).args
        self.assertEqual((record.env.user, record.env.su), (self.user, False))

    def test_new_tags_in_a_text_of_before_are_data(self):
        job = self.partner.with_delay().write(1)
        for tagged in (
            {"_type": "markup", "value": "<script>"},
            {"_type": "odoo_domain", "value": [["a", "any!", []]]},
            {"_type": "python_dict", "value": [[1, 2]]},
        ):
            loaded = self.stored(job, kwargs=json.dumps({"key": tagged}))
            self.assertEqual(loaded.kwargs, {"key": tagged})

    def test_the_field_gives_no_rights_either(self):
        job = self.partner.with_delay().write(1)
        self.stored(job, args=json.dumps([self.ADMIN]))
        (record,) = job.db_record().with_user(self.user).sudo().args
        self.assertEqual((record.env.user, record.env.su), (self.user, False))

    def test_nobody_else_seals(self):
        """A text written to a field is not sealed, whatever it ends with."""
        function = self.env["queue.job.function"].create({"name": "<res.users>.read"})
        text = json.dumps({"kwargs": {"vals": self.ADMIN}}) + SEAL
        function.write({"related_action": text})  # as it comes by RPC
        function.flush_recordset()
        function.invalidate_recordset()
        found = function.with_user(self.user).sudo().related_action["kwargs"]["vals"]
        self.assertFalse(found.env.su)

    def test_a_job_of_another_user_has_his_records(self):
        job = self.partner.with_delay().write(1)
        self.stored(job, args=json.dumps([self.ADMIN]))
        other = new_test_user(self.env, "other", groups="base.group_user")
        job.db_record().user_id = other
        self.env.flush_all()
        loaded = self.stored(job)
        self.assertEqual(loaded.recordset.env.user, other)
        self.assertEqual(
            (loaded.args[0].env.user, loaded.args[0].env.su), (other, False)
        )


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

    def test_keys_are_texts(self):
        """Fields of dictionaries have the text they always had."""
        field, job = self.field_of(dict), self.env["queue.job"]
        value = {1: (10, 20), 5: 30}
        text = '{"1": {"_type": "python_tuple", "value": [10, 20]}, "5": 30}'  # no seal
        self.assertEqual(field.convert_to_cache(value, job), text)
        self.assertEqual(field.convert_to_record(text, job), {"1": (10, 20), "5": 30})
        with self.assertRaisesRegex(ValueError, "Two keys are the same"):
            field.convert_to_cache({1: "a", "1": "b"}, job)

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
