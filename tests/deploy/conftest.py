# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Proxies for the layouts of ``docs/deployment.md``.

The configuration files are those of the guide, with other addresses.
"""

from tests.harness.fixtures import *

from .proxies import haproxy, nginx, prometheus

__all__ = ["haproxy", "nginx", "prometheus"]
