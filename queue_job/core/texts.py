# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
r"""Texts that the queue writes: always storable, and no longer than people read.

PostgreSQL takes neither NUL nor lone surrogates (which Python makes of the bytes of a
file name that is not UTF-8). They are written as Python's `repr` shows them, "\x00" and
"\udcff": a replacement character would not say which byte it was.

What is too long keeps its two ends, with a note between them: a message begins with
what it is about, a traceback ends with the error.

>>> storable("report-\udcff.pdf", 100)
'report-\\udcff.pdf'
>>> storable("begin " + "." * 1000 + " end", 60)
'begin ...... [... 987 characters left out ...] ....... end'

Nothing here raises an error, whatever the object is whose text is asked for: the end of
a job is written with these texts.
"""

from __future__ import annotations

from typing import Any

# The longest text of each column, in characters.

#: Description of a job, a line in lists.
DESCRIPTION = 1_000
#: The call as text, with the `repr` of all arguments: enough to recognise it.
FUNC_STRING = 10_000
#: Class of an exception, with its module: part of groups and of metrics.
EXC_NAME = 200
#: Text of an exception. It is copied into the chatter and into digests.
EXC_MESSAGE = 10_000
#: Traceback: about a thousand frames, more than the recursion limit allows.
EXC_INFO = 100_000
#: Text of a result, for people. The data is in `result_json`.
RESULT = 100_000
#: A result as JSON: data for other jobs. Larger data belongs into a record.
RESULT_JSON = 10_000_000
#: Message of an attempt in the history of a job.
ATTEMPT = 2_000
#: Message, status or stage of a progress report: one line in a dialog.
PROGRESS = 500

_NOTE = " [... {:,} characters left out ...] "


def of(value: Any) -> str:
    """Return `str(value)`, or the text itself, as a plain `str`; it never raises.

    >>> of(12)
    '12'
    """
    if issubclass(type(value), str):
        return str.__str__(value)
    return _call(str, value)


def shown(value: Any, longest: int = 100) -> str:
    """Return `repr(value)` for the message of an error; it never raises."""
    return cut(clean(_call(repr, value)), longest)


def clean(text: str) -> str:
    r"""Return the text with an escape for each character that no database takes.

    >>> clean("a\0b")
    'a\\x00b'
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00") if "\0" in text else text


def is_clean(text: str) -> bool:
    """Return whether a database takes the text as it is."""
    return clean(text) == text


def cut(text: str, longest: int) -> str:
    """Return the text, or its two ends with a note of what is missing.

    :param longest: in characters; there must be room for the note
    """
    if len(text) <= longest:
        return text
    kept = longest - len(_NOTE.format(len(text)))
    head, tail = text[: kept - kept // 2], text[len(text) - kept // 2 :]
    return head + _NOTE.format(len(text) - kept) + tail


def storable(value: Any, longest: int) -> str | None:
    """Return what is stored for a value in a text column; it never raises.

    None and False are no text.

    :param longest: in characters
    """
    if value is None or value is False:
        return None
    if type(value) is str and value.isascii() and "\0" not in value:
        return cut(value, longest)  # as most texts are
    return cut(clean(of(value)), longest)


def is_empty(value: Any) -> bool:
    """Return whether a value is false; what refuses the question (an array) is not.

    >>> is_empty([]), is_empty("x")
    (True, False)
    """
    try:
        return not value
    except BaseException:
        return False


def _call(function: Any, value: Any) -> str:
    try:
        # as a plain text: some classes (Markup) do other things when they are cut
        return str.__str__(function(value))
    # An object may do anything to make its text, even exit. Whoever asks is about to
    # write the end of a job: no reason is good enough to stop that.
    except BaseException as error:
        return f"<unprintable {_class_name(value)} object: {_class_name(error)}>"


def _class_name(value: Any) -> str:
    try:
        return str.__str__(type(value).__name__)
    except BaseException:
        return "odd"
