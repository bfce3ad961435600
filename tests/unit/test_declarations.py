# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What is declared, and which name was meant by one that is not."""

import doctest

import pytest

from queue_job.core import names
from queue_job.core.delays import Fault, declared_faults
from queue_job.core.names import nearest
from queue_job.declarations import channels, exceptions
from queue_job.declarations.channels import Declared, undeclared
from queue_job.declarations.exceptions import unknown

DECLARED = Declared(
    frozenset("root root.import root.import.csv root.sale root.shop_1".split()),
    frozenset({"root.sale"}),
)


@pytest.mark.parametrize("module", [channels, exceptions, names])
def test_examples(module):
    assert not doctest.testmod(module).failed


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("writee", ["write", "read"], "write"),
        ("WRITE", ["write"], "write"),
        ("write", [], None),
        ("something", ["write"], None),
        ("q2_sync", ["q1_sync"], None),
        ("q2_imporrt", ["q1_import"], "q1_import"),
    ],
)
def test_nearest(name, known, expected):
    assert nearest(name, known) == expected


@pytest.mark.parametrize("name", ["root", "", None, "import", "root.import.csv"])
def test_declared_channels(name):
    assert undeclared(name, DECLARED) is None


@pytest.mark.parametrize("name", ["root.sale.a", "root.sale.a.b"])
def test_channels_made_on_purpose(name):
    assert undeclared(name, DECLARED) is None


@pytest.mark.parametrize(
    ("name", "above", "missing", "meant"),
    [
        ("root.imporrt", "root", "root.imporrt", "root.import"),
        ("imporrt", "root", "root.imporrt", "root.import"),
        ("root.imporrt.csv", "root", "root.imporrt", "root.import.csv"),
        ("root.imporrt.xml", "root", "root.imporrt", "root.import"),
        ("root.import.cvs", "root.import", "root.import.cvs", None),
        ("root.import.csvs", "root.import", "root.import.csvs", None),  # a short word
        ("root.mail.out", "root", "root.mail", None),
        ("root.shop_2", "root", "root.shop_2", None),
        ("root.sales", "root", "root.sales", "root.sale"),
    ],
)
def test_undeclared_channels(name, above, missing, meant):
    found = undeclared(name, DECLARED)
    assert found is not None
    assert (found.above, found.missing, found.meant) == (above, missing, meant)


class Outer:
    class InnerError(Exception):
        pass


@pytest.mark.parametrize(
    "name",
    [
        "TimeoutError",
        "builtins.TimeoutError",
        "json.decoder.JSONDecodeError",
        "InnerError",
        f"{__name__}.Outer.InnerError",
        "xmlrpc.client.Fault",  # maybe not loaded: its package is there
    ],
)
def test_exceptions_that_exist(name):
    assert unknown(name) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TimeoutErorr", "TimeoutError"),
        ("Whatever", None),
        # compared by the module of the class, so these would never match
        ("json.JSONDecodeError", "json.decoder.JSONDecodeError"),
        ("builtins.OSError.x", "builtins.OSError"),
        ("json.decoder.JSONDecodeErorr", "json.decoder.JSONDecodeError"),
        ("no_such_package.Error", None),
        ("json.dumps", None),
    ],
)
def test_exceptions_that_do_not(name, meant):
    found = unknown(name)
    assert found is not None
    assert found.meant == meant


@pytest.mark.parametrize(
    ("pattern", "faults"),
    [
        (None, []),
        ({1: 60, 2: 180, 3: 10, 5: 300}, []),
        ({"1": [0, 10]}, []),
        ({0: 10}, [Fault.EARLY]),
        ({-1: 10, 1: 10}, [Fault.EARLY]),
        ({1: 0}, [Fault.ZERO]),
        ({1: 0.2}, [Fault.ZERO]),
        ({1: (0, 0)}, [Fault.ZERO]),
        ({5: 20, 1: 10}, [Fault.ORDER]),
        ({1: 10, 10: 30, 5: 20, 15: 300}, [Fault.ORDER]),
        # what can't be read is said first
        ({1: -5, 0: 3}, [Fault.NEGATIVE]),
        ([1], [Fault.PATTERN]),
    ],
)
def test_patterns_as_they_are_declared(pattern, faults):
    assert [fault for _entry, fault in declared_faults(pattern)] == faults
