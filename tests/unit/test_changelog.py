# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A release can collect the news fragments of the addons."""

import re

import pytest

from setup import cache, changelog, readme
from setup.console import SetupError

TOWNCRIER = (cache.REPOSITORY / "towncrier.toml").read_text()
KINDS = set(re.findall(r'^directory = "(\w+)"$', TOWNCRIER, re.M))
FRAGMENTS = [
    path
    for path in sorted(cache.REPOSITORY.glob("*/readme/newsfragments/*"))
    if path.name != "README.md"
]


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_kind_and_a_text(path):
    _name, kind, suffix = path.name.rsplit(".", 2)
    assert kind in KINDS and suffix == "md"
    assert path.read_text().strip()
    assert f'"{path.parent.relative_to(cache.REPOSITORY)}"' in TOWNCRIER


def test_fragments_go_where_the_changelog_says():
    (start,) = re.findall(r'^start_string = "(.*)\\n"$', TOWNCRIER, re.M)
    assert f"{start}\n" in (cache.REPOSITORY / "CHANGELOG.md").read_text()


def test_the_addons_are_released_together():
    assert len(set(changelog.versions().values())) == 1


def test_a_version_that_the_manifests_do_not_have():
    changelog.check(readme.manifest("queue_job")["version"])
    with pytest.raises(SetupError, match="queue_job has 19"):
        changelog.check("19.0.99.0.0")


def test_without_a_version_nothing_is_written():
    assert "--draft" in changelog.arguments(None)
    assert "--draft" not in changelog.arguments("19.0.99.0.0")
