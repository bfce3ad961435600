# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Random arguments of jobs come back from PostgreSQL as they were, class by class.

Leaves are of each class that `values` stores, records of a real registry among them;
containers hold containers; dictionaries have keys of any class that can be one, and
now and then look like a tag of the store.
"""

import os
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from setup import cache

SECONDS = st.integers(-23 * 3600, 23 * 3600)
ZONES = st.none() | SECONDS.map(lambda offset: timezone(timedelta(seconds=offset)))
#: Texts as they come from outside: NUL, halves of surrogate pairs.
TEXTS = st.text(st.characters(), max_size=5)
DECIMALS = st.decimals(allow_nan=False)
NUMBERS = st.integers() | st.floats() | st.booleans() | DECIMALS
MOMENTS = st.dates() | st.datetimes(timezones=ZONES) | st.times(timezones=ZONES)
OTHERS = st.uuids() | st.binary(max_size=5) | st.timedeltas()
RANGES = st.builds(range, st.integers(-5, 5), st.integers(-5, 5), st.integers(1, 3))

#: Classes that must have come up.
KINDS = (
    *("str", "float", "decimal.Decimal", "datetime.datetime", "datetime.time"),
    *("markupsafe.Markup", "bytearray", "list", "tuple", "dict", "set", "frozenset"),
    *("collections.OrderedDict", "collections.defaultdict", "collections.Counter"),
    *("collections.deque", "range", "odoo.tools.misc.frozendict", "uuid.UUID"),
    *("odoo.tools.misc.OrderedSet", "odoo.orm.domains.DomainCondition"),
    "odoo.orm.models.res.users",
)


@pytest.fixture(scope="module")
def env(stack, database_name):
    """Odoo, in this process."""
    sys.path.insert(0, str(stack.source.python_path()))
    os.environ["ODOO_RC"] = os.devnull
    from odoo import api, sql_db
    from odoo.modules.registry import Registry
    from odoo.tools import config

    options = [
        f"--addons-path={stack.source.addons_path}",
        f"--data-dir={cache.BUILD / 'data'}",
        "--http-interface=127.0.0.1",
    ]
    config.parse_config(options, setup_logging=False)
    try:
        with Registry(database_name).cursor() as cr:
            yield api.Environment(cr, api.SUPERUSER_ID, {"lang": "en_US"})
    finally:
        sql_db.close_all()


@pytest.fixture(scope="module")
def values(env):
    """Strategy of values."""
    from odoo.fields import Domain
    from odoo.tools.misc import LastOrderedSet, OrderedSet, frozendict

    from odoo.addons.queue_job.core.tags import TAGS

    users = env["res.users"].with_user(2)
    records = st.builds(
        lambda ids, su, tz: users.with_context(tz=tz).sudo(su).browse(ids),
        st.lists(st.integers(1, 9), max_size=3, unique=True),
        st.booleans(),
        st.sampled_from(["UTC", "Europe/Brussels"]),
    )
    scalars = st.none() | NUMBERS | TEXTS | MOMENTS | OTHERS | TEXTS.map(Markup)
    hashable = st.recursive(
        scalars | records | RANGES,
        lambda inner: (
            st.lists(inner, max_size=2).map(tuple)
            | st.frozensets(inner, max_size=2)
            | st.dictionaries(inner, inner, max_size=2).map(frozendict)
        ),
        max_leaves=3,
    )
    conditions = st.builds(
        lambda name, operator, items: Domain(name, operator, items),
        st.sampled_from(["a", "b.c"]),
        st.sampled_from(["in", "not in", "any", "any!"]),
        st.lists(hashable, max_size=2) | st.sets(hashable, max_size=2),
    )
    domains = st.recursive(
        conditions | st.sampled_from([Domain.TRUE, Domain.FALSE]),
        lambda inner: (
            inner.map(lambda domain: ~domain)
            | st.builds(lambda one, two: one & two, inner, inner)
            | st.builds(lambda one, two: one | two, inner, inner)
        ),
        max_leaves=4,
    )
    tags = st.sampled_from([*TAGS, "of somebody else"]) | hashable
    looks = ("_type", "value", "model", "ids", "uid", "su", "context")

    def containers(inner):
        lists = st.lists(inner, max_size=4)
        pairs = st.dictionaries(hashable, inner, max_size=3)
        return (
            *(lists, lists.map(tuple), st.dictionaries(TEXTS, inner, max_size=4)),
            *(pairs, pairs.map(OrderedDict), pairs.map(frozendict)),
            pairs.map(lambda items: defaultdict(list, items)),
            st.dictionaries(hashable, st.integers()).map(Counter),
            st.builds(deque, lists, st.none() | st.integers(4, 5)),
            st.lists(hashable, max_size=3).map(OrderedSet),
            st.lists(hashable, max_size=3).map(LastOrderedSet),
            st.fixed_dictionaries(
                {"_type": tags},
                optional=dict.fromkeys(looks[1:], inner),
            ),
        )

    leaves = hashable | st.sets(hashable, max_size=3) | domains
    leaves |= st.binary(max_size=4).map(bytearray)
    return st.recursive(
        leaves, lambda inner: st.one_of(*containers(inner)), max_leaves=8
    )


def shape(value):
    """Return the classes and contents of a value and all inside of it, comparable."""
    from odoo.fields import Domain
    from odoo.models import BaseModel

    from odoo.addons.queue_job.core.tags import _polish

    kind = type(value)
    if isinstance(value, BaseModel):
        env = value.env
        kept = value._job_prepare_context_before_enqueue()
        return kind, value._name, value._ids, env.uid, env.su, kept
    if isinstance(value, dict):
        pairs = [(shape(key), shape(item)) for key, item in value.items()]
        return kind, getattr(value, "default_factory", None), pairs
    if isinstance(value, set | frozenset):
        return kind, sorted(map(shape, value), key=repr)
    if isinstance(value, Domain):
        return kind, [shape(item) for item in _polish(value)]
    if isinstance(value, str | bytes | bytearray) or not hasattr(value, "__iter__"):
        return kind, repr(value)  # two that are not a number are not equal
    return kind, getattr(value, "maxlen", None), [shape(item) for item in value]


def test_they_come_back(env, values):
    from odoo.addons.queue_job.core.values import decode, encode

    counted = Counter()

    @settings(
        max_examples=400,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def check(value):
        text = encode((value, {"key": value}))
        env.cr.execute("SELECT to_jsonb(%s::text) #>> '{}'", [text])
        first, second = decode(env.cr.fetchone()[0], env)
        expected = shape(value)
        assert (shape(first), shape(second["key"])) == (expected, expected)
        counted.update(kind for kind in KINDS if f"class '{kind}" in repr(expected))

    check()
    assert [kind for kind in KINDS if not counted[kind]] == []


def test_data_is_never_more_than_data(env):
    """Whatever JSON a stranger sends, in whatever dress."""
    from odoo.addons.queue_job.core.tags import TAGS
    from odoo.addons.queue_job.core.values import decode, encode

    inner = st.none() | st.integers() | TEXTS | st.sampled_from(list(TAGS))
    keys = st.sampled_from(["_type", "value", "model", "ids", "uid", "su", "x"])
    payloads = st.recursive(
        inner,
        lambda items: st.lists(items, max_size=3) | st.dictionaries(keys, items),
        max_leaves=10,
    )

    @settings(max_examples=200, deadline=None)
    @given(payloads)
    def check(value):
        loaded = decode(encode([value, {"_type": value}]), env)
        assert shape(loaded) == shape([value, {"_type": value}])

    check()
