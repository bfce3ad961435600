# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the integration tests need: models with job methods, records, two job rows."""

from . import models
