# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What to do first about a failed job, in a sentence or two for each code."""

from odoo.tools.translate import LazyTranslate

# a table of the module has no environment yet
# pylint: disable=prefer-env-translation
_lt = LazyTranslate(__name__)

#: code of :func:`.failure_advice.advice` -> sentences
TEXTS = {
    "timeout": _lt(
        "It ran longer than it may. Look whether there was more to do than usual or"
        " something held it up. Then requeue it, raise the timeout of the job function,"
        " or let the developers split the work."
    ),
    "dead": _lt(
        "The process that ran it was ended, most often by a limit of memory or time."
        " Ask your administrator for the log of the server at that time. Requeue it if"
        " the server was only restarted."
    ),
    "memory": _lt(
        "There was not enough memory. Let the developers split the work, or the"
        " administrator raise the limit of memory. Then requeue it."
    ),
    "rights": _lt(
        "The user for whom it runs may not do this. Give this user the missing right,"
        " then requeue it."
    ),
    "missing": _lt(
        "A record that it needs was deleted. If it is not needed any more, cancel the"
        " job. Otherwise restore the record and requeue it."
    ),
    "given_up": _lt(
        "The method gave up on purpose, and its message says why. Put that right, then"
        " requeue it."
    ),
    "exhausted": _lt(
        "It was tried as often as allowed, and the last attempt said this. Wait until"
        " the cause has passed, or remove it, then requeue it."
    ),
    "data": _lt(
        "The data do not allow it, and the message says what is wrong. Open the record,"
        " correct it, then requeue the job."
    ),
    "conflict": _lt(
        "Others changed the same records at the same time. Requeue it. If that happens"
        " often, let the developers run such jobs one after the other."
    ),
    "disk": _lt(
        "The disk of the database is full. Tell your administrator at once, and requeue"
        " it when there is room."
    ),
    "remote": _lt(
        "Another system did not answer as it should. Look whether it runs and whether"
        " the access is right, then requeue the job. Name the exception in the job"
        " function to have it tried again by itself."
    ),
    "code_gone": _lt(
        "Its code is not there any more: a module was removed, or a method was renamed."
        " Install the module, or name the old name in the job function, then requeue"
        " it. Otherwise cancel the job."
    ),
    "program": _lt(
        "This looks like a fault of the program. Send the traceback below to the"
        " developers, and requeue the job when they have corrected it."
    ),
}
