# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A server-wide module that listens to all events: one line of JSON for each."""

import dataclasses
import json
import os

from odoo.addons.queue_job.events import NAMES, listen


@listen(*NAMES)
def write_down(event):
    line = json.dumps({**dataclasses.asdict(event), "pid": os.getpid()})
    with open(os.environ["JOB_EVENTS"], "a") as stream:
        stream.write(f"{line}\n")
