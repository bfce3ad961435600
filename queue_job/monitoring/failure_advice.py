# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What to do first about a failed job: told by the class of its exception.

Most exceptions say who can help: whoever keeps the data, whoever runs the other system,
the administrator of the server, or the developers. The sentences are in
:mod:`.advice_texts`.
"""

from __future__ import annotations

#: Beginning of the message of a job whose model or method is gone.
NOT_LOADED = "The job can't be loaded"

#: Beginning of the message of a job that has used up its attempts.
EXHAUSTED = "Max. retries"

#: What is said where nothing better is known.
PROGRAM = "program"

#: code -> names of the classes, without their modules
CLASSES: dict[str, frozenset[str]] = {
    "timeout": frozenset({"JobTimeout"}),
    "dead": frozenset({"JobFoundDead"}),
    "memory": frozenset({"MemoryError"}),
    "rights": frozenset({"AccessError", "AccessDenied"}),
    "missing": frozenset({"MissingError"}),
    "given_up": frozenset({"FailedJobError"}),
    "data": frozenset(
        {
            *("UserError", "ValidationError", "RedirectWarning"),
            *("IntegrityError", "UniqueViolation", "CheckViolation"),
            *("NotNullViolation", "ForeignKeyViolation"),
        }
    ),
    "conflict": frozenset(
        {"SerializationFailure", "DeadlockDetected", "LockNotAvailable"}
    ),
    "disk": frozenset({"DiskFull"}),
    "remote": frozenset(
        {
            *("ConnectionError", "ConnectionRefusedError", "ConnectionResetError"),
            *("ConnectionAbortedError", "BrokenPipeError", "TimeoutError", "timeout"),
            *("ConnectTimeout", "ReadTimeout", "Timeout", "HTTPError", "URLError"),
            *("gaierror", "SSLError", "MailDeliveryException"),
        }
    ),
}

#: Modules whose exceptions tell of another system, whatever their names.
REMOTE_MODULES = ("requests.", "urllib3.", "http.client.", "smtplib.", "ftplib.")


def advice(exc_name: str, message: str = "") -> str:
    """Return the code of what to do first about a failure.

    :param exc_name: the exception, such as "odoo.exceptions.UserError"; may be empty
    :param message: of the exception
    :return: a key of :data:`.advice_texts.TEXTS`

    >>> advice("odoo.exceptions.AccessError")
    'rights'
    >>> advice("KeyError"), advice("KeyError", "The job can't be loaded: 'sale.old'")
    ('program', 'code_gone')
    """
    if message.startswith(NOT_LOADED):
        return "code_gone"
    name = exc_name.rpartition(".")[2]
    if name == "FailedJobError" and message.startswith(EXHAUSTED):
        return "exhausted"
    for code, names in CLASSES.items():
        if name in names:
            return code
    return "remote" if exc_name.startswith(REMOTE_MODULES) else PROGRAM
