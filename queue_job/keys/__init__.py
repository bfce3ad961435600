# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Concurrency keys: how many jobs of a key run at once, and in which order."""
