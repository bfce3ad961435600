# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The names that a method had before."""

import pytest

from queue_job.core.former_names import Call, read, renamed_models

NOW = Call("shop", "pull")


@pytest.mark.parametrize(
    ("text", "calls", "wrong"),
    [
        ("", [], []),
        (None, [], []),
        ("fetch", [("shop", "fetch")], []),
        (
            " fetch,get_all\n_get ",
            [("shop", n) for n in ("fetch", "get_all", "_get")],
            [],
        ),
        ("<old.shop>.fetch fetch", [("old.shop", "fetch"), ("shop", "fetch")], []),
        ("shop.fetch", [], ["shop.fetch"]),
        ("<>.fetch 1st a-b", [], ["<>.fetch", "1st", "a-b"]),
    ],
)
def test_read(text, calls, wrong):
    assert read(text, "shop") == (calls, wrong)


@pytest.mark.parametrize(
    ("former", "known", "models"),
    [
        (Call("old.shop", "pull"), ["shop"], {"old.shop": "shop"}),
        (Call("old.shop", "pull"), ["shop", "old.shop"], {}),
        (Call("shop", "fetch"), ["shop"], {}),
    ],
)
def test_renamed_models(former, known, models):
    assert renamed_models({former: NOW}, known) == models


def test_a_call_is_written_as_a_job_function_is():
    assert str(NOW) == "<shop>.pull"
