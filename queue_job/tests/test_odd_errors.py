# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whatever a job raises, asks for or returns: it ends once, and its row says how."""

from odoo.tools import mute_logger

from ..exception import RetryableJobError
from .helper_case import HelperCase

LOGGERS = (
    "odoo.addons.queue_job.controllers.main",
    "odoo.addons.queue_job.models.queue_job_function",
    "odoo.addons.queue_job.storage.results",
    "odoo.addons.queue_job.core.retry",
)


def fails(*args):
    raise RuntimeError("Don't ask")


class Hostile(Exception):
    """Answers no question."""

    __str__ = __repr__ = __bool__ = fails
    args = __class__ = __notes__ = property(fails)


class HostileRetry(RetryableJobError):
    __str__ = __repr__ = __bool__ = fails
    args = seconds = ignore_retry = property(fails)

    def __init__(self):
        """Don't call the other one."""


class TestOddErrors(HelperCase):
    def run_job(self, function, **options):
        """Run a job to its end; return its record."""
        with self.job_method(function), mute_logger(*LOGGERS):
            job = self.partner.with_delay(**options).testing()
            self.drained = self.drain_new(follow_due_dates=True)
        return job.db_record()

    def run_raising(self, error, **options):
        def function(partner):
            raise error

        return self.run_job(function, **options)

    def test_texts(self):
        cases = {
            "nul \0": r"nul \x00",
            "file \udcff": r"file \udcff",
            b"bytes \0": r"b'bytes \x00'",
            ("list", "\0"): r"('list', '\x00')",
        }
        for text, expected in cases.items():
            record = self.run_raising(ValueError(text))
            self.assertEqual((record.state, record.retry), ("failed", 1))
            self.assertEqual(record.exc_name, "ValueError")
            self.assertEqual(record.exc_message, expected)
            self.assertIn(expected, record.exc_info)
            self.assertEqual(record.attempt_ids.message, expected)

    def test_no_texts(self):
        record = self.run_raising(Hostile())
        self.assertEqual((record.state, record.retry), ("failed", 1))
        self.assertTrue(record.exc_name.endswith("test_odd_errors.Hostile"))
        self.assertEqual(
            record.exc_message, "<unprintable Hostile object: RuntimeError>"
        )
        self.assertIn("in function", record.exc_info)

    def test_no_wishes(self):
        record = self.run_raising(HostileRetry(), max_retries=2)
        self.assertEqual((record.state, record.retry), ("failed", 2))
        self.assertIn("Max. retries (2) reached: <unprintable", record.exc_message)

    def test_an_error_that_is_its_own_cause(self):
        error = ValueError("circle")
        other = KeyError("other")
        error.__cause__, other.__cause__ = other, error
        for cause in (error, other):
            record = self.run_raising(cause)
            self.assertEqual((record.state, record.retry), ("failed", 1))

    def test_a_long_text(self):
        record = self.run_raising(ValueError("begin" + "x" * 20_000_000 + "end"))
        self.assertEqual((record.state, record.retry), ("failed", 1))
        self.assertTrue(record.exc_message.startswith("begin"))
        self.assertTrue(record.exc_info.startswith("Traceback"))
        self.assertTrue(record.exc_info.rstrip().endswith("end"))
        self.assertLess(len(record.exc_info), 200_000)

    def test_delays_that_are_asked_for(self):
        for seconds in (10**12, -5, "soon", float("nan"), (10, 1), 1.5):
            error = RetryableJobError("later", seconds=seconds)
            record = self.run_raising(error, max_retries=2)
            self.assertEqual((record.state, record.retry), ("failed", 2), seconds)
            self.assertIn("reached: later", record.exc_message)

    def test_patterns_in_the_database(self):
        function = self.env["queue.job.function"].create(
            {"name": "<res.partner>.write"}
        )
        self.env.flush_all()
        self.env.cr.execute(  # what `run_raising` puts there
            "UPDATE queue_job_function SET name = '<res.partner>.testing',"
            " method = 'testing' WHERE id = %s",
            [function.id],
        )
        for pattern in (
            '{"1": [10, 1]}',
            '{"1": -5}',
            '{"1": 99999999999}',
            '{"1": [1, 2, 3]}',
            '{"1": "soon"}',
            "[1]",
        ):
            self.env.flush_all()
            self.env.cr.execute(
                "UPDATE queue_job_function SET retry_pattern = %s WHERE id = %s",
                [pattern, function.id],
            )
            function.invalidate_recordset()
            self.env.registry.clear_cache()
            record = self.run_raising(RetryableJobError("later"), max_retries=2)
            self.assertEqual((record.state, record.retry), ("failed", 2), pattern)
            self.assertIn("reached: later", record.exc_message)

    def test_results(self):
        for value, expected in [
            ("nul \0 \udcff", r"nul \x00 \udcff"),
            ({"\0": "\udcff"}, r"{'\x00': '\udcff'}"),
            (10**400, str(10**400)),
            (10**5000, "<unprintable int object: ValueError>"),
            (Hostile(), "<unprintable Hostile object: RuntimeError>"),
        ]:
            record = self.run_job(lambda partner, value=value: value)
            self.assertEqual((record.state, record.retry), ("done", 1))
            self.assertEqual(record.result, expected)

    def test_reports(self):
        def function(partner):
            report = partner.env["queue.job"].report_progress
            report("\0 \udcff", float("nan"), valuemin=float("nan"), valuemax=10**400)
            report(stage="\udcff", progress=float("inf"))

        record = self.run_job(function)
        self.assertEqual((record.state, record.retry), ("done", 1))
        progress = self.env["queue.job.progress"].search([("job_id", "=", record.id)])
        self.assertEqual(progress.message, r"\x00 \udcff")
        self.assertEqual((progress.stage, progress.percent), (r"\udcff", 100))
