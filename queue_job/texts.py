# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""stand-in until merge"""


def storable(text):
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:100_000]
