# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How jobs pass from the table to a worker: the statements, and the signed lease."""
