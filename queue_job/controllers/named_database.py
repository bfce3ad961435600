# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Serves a request in the database that it names, where Odoo has chosen none.

Odoo puts the header ``X-Odoo-Database`` through ``dbfilter``, with the host of the
request. Requests for the queue, of the runner or a monitor, name whatever host the
server listens on, so that ``dbfilter = ^%d$`` shows them none of the databases.

What decides instead is a proof: a signature, a token, the uuid of a job. It is looked
for on a bare connection, before anything of the database is loaded. Without one, a
database that is hidden and one that doesn't exist are the same to who asks.
"""

import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

from odoo import http, sql_db
from odoo.tools import config

from ..jobrunner.session.served_databases import db_names, served

_logger = logging.getLogger(__name__)

HEADER = "X-Odoo-Database"

#: What the endpoints for the queue have in common: programs call them, without session,
#: and show what they may by themselves.
ENDPOINT = {"type": "http", "auth": "none", "save_session": False, "readonly": False}

PARAMETER = "SELECT value FROM ir_config_parameter WHERE key = %s"


def name() -> str | None:
    """The database that the request names."""
    request = http.request.httprequest
    return request.headers.get(HEADER) or request.args.get("db")


def serve(is_proven: Callable) -> http.Response | None:
    """Serve the current request in the database that it names.

    :param is_proven: called with a cursor of that database: whether the request shows
        that it may be served there
    :return: what the endpoint, which is called again, has answered; None if there is
        no such database, or this server serves it not, or nothing is proven
    """
    database = name()
    if not database or not _knows(database, is_proven):
        return None
    request = http.request
    request.db = database
    try:
        return request._serve_db()
    except http.RegistryError as error:
        _logger.warning("%s: can't be loaded: %s", database, error.__cause__)
        request.db = None
        return None


def _knows(database, is_proven) -> bool:
    names = db_names(config["db_name"])
    try:
        if not served([database], names, config["dbfilter"]):
            return False
        with closing(sql_db.db_connect(database).cursor()) as cr:
            return is_proven(cr)
    except (psycopg2.Error, ValueError) as error:
        _logger.debug("%r is no database with a queue: %s", database, error)
        return False


def value(cr, query: str, *parameters) -> Any:
    """Return the first value that a statement finds, None if it finds no row.

    :raise psycopg2.Error: the statement failed; it is not logged
    """
    cr.execute(query, parameters, log_exceptions=False)
    row = cr.fetchone()
    return row and row[0]
