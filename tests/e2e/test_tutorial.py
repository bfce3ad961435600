# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The addon of `docs/tutorial.md`, built from the page's own code blocks.

It is installed in a real Odoo, its tests run there, and a server runs its jobs.
"""

import re
from pathlib import Path

from setup.postgres import free_port
from tests.harness.odoo import Odoo

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
#: A path on a line of its own, and the block behind it.
FILE = re.compile(r"^`(parcel/[\w./]+)`\n\n```\w+\n(.*?)^```$", re.M | re.S)
ALL_FILES = {
    *("__manifest__.py", "__init__.py", "models/__init__.py"),
    *("models/parcel_shipment.py", "data/queue_job_data.xml"),
    *("security/ir.model.access.csv", "views/parcel_shipment_views.xml"),
    *("tests/__init__.py", "tests/test_parcel_shipment.py"),
}
MODEL = "parcel.shipment"


def build(directory: Path) -> None:
    """Write the files of the page."""
    for name, text in FILE.findall(PAGE.read_text()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    written = {
        path.relative_to(directory / "parcel").as_posix()
        for path in directory.rglob("*.*")
    }
    assert written == ALL_FILES


def test_the_addon(stack, make_server, database, log_directory, tmp_path):
    build(tmp_path)
    odoo = Odoo(stack, database.name, log_directory, addons=[tmp_path])
    port = f"--http-port={free_port()}"
    log = odoo.run("-i", "parcel", "--test-tags=/parcel", port)
    (said,) = re.findall(r"ends with `(.*?)`", PAGE.read_text())
    assert said in log
    assert "declared" not in log, "nothing is wrong with its declarations"

    options = {"addons_path": odoo.addons_path}
    server = make_server(workers=2, channels="root:2", options=options)
    server.wait_runner()
    client = server.client()
    ids = client.call(MODEL, "create", [{"name": "A"}, {"name": "B"}])
    client.call(MODEL, "action_send", ids)
    jobs = "SELECT uuid FROM queue_job WHERE model_name = %s"
    uuids = database.column(jobs, MODEL)
    assert database.wait_settled(uuids) == {"done": 3}
    labels = "SELECT label FROM parcel_shipment ORDER BY id"
    assert database.column(labels) == [f"A: T{ids[0]:06}", f"B: T{ids[1]:06}"]
    assert (
        database.value(
            "SELECT message FROM queue_job_progress ORDER BY id DESC LIMIT 1"
        )
        == "2 of 2 labels"
    )
    said = "All that is declared for jobs exists.\n"
    assert odoo.queue_job("check") == (0, said)
    assert set(database.column("SELECT channel FROM queue_job")) == {"root.parcel"}
