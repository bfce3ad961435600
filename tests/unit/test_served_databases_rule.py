# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which databases a server serves."""

import pytest

from queue_job.jobrunner.session.served_databases import db_names, served

ALL = ["test", "prod_b", "prod_a", "www.example.com"]

CASES = [
    # (db_name, dbfilter, served, why)
    ([], "", sorted(ALL), "all"),
    ([], None, sorted(ALL), "all"),
    ([], "^prod", ["prod_a", "prod_b"], "what the filter shows to everybody"),
    ([], "prod_a$", ["prod_a"], "from the beginning, as Odoo matches"),
    ([], "rod", [], "nobody sees any"),
    ([], "^%d$", sorted(ALL), "each host sees one"),
    ([], "^%h$", sorted(ALL), "each host sees one"),
    ([], "^%d_.*$", sorted(ALL), "whatever the host"),
    (["prod_a"], "", ["prod_a"], "named"),
    (["prod_a", "test"], "^%d$", ["prod_a", "test"], "named, whoever sees them"),
    (["test"], "^prod", ["test"], "named, though no visitor sees it"),
    (["gone"], "", [], "named, but not there"),
]


@pytest.mark.parametrize(("names", "dbfilter", "expected", "why"), CASES)
def test_served(names, dbfilter, expected, why):
    assert served(ALL, names, dbfilter) == expected, why


def test_a_wrong_filter_is_named():
    with pytest.raises(ValueError, match=r"dbfilter '\^\(' is no regular expression"):
        served(ALL, [], "^(")


@pytest.mark.parametrize("option", ["b, a,", ["b", "a"], ["a", "b", "a"], ("b", "a")])
def test_names(option):
    assert db_names(option) == ["a", "b"]


@pytest.mark.parametrize("option", [None, "", [], False])
def test_no_names(option):
    assert db_names(option) == []
