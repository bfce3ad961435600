# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command `odoo-bin queue_job`: the job queue from the shell.

Only the arguments are here: Odoo loads this file without the addon, so that the help
comes at once. What the commands do is in `commands.py` of the addon.
"""

import argparse
import sys
import threading
from datetime import datetime, time, timedelta, timezone
from importlib import import_module

from odoo.cli.command import Command
from odoo.modules.registry import Registry
from odoo.tools import config

EXIT_CODES = """\
exit codes:
  0  done
  1  a job has failed, doctor or check has found a problem, or drain could not wait
     until the last job had ended
  2  the arguments are wrong, or the database is not there
  3  not confirmed
  4  no job, or no kind of failure, was found, or none that changes

Arguments after these are those of the server: --db_host, --addons-path and so on.
"""

LOOKS = {
    "show": "show jobs with their attempts",
    "why": "say why jobs do not run yet",
}
CHANGES = {
    "requeue": "put failed jobs back in the queue",
    "cancel": "cancel jobs; running ones are stopped",
    "done": "set jobs to done without running them",
    "purge": "delete ended jobs",
}
#: The module of `cli/` that has a command, where it is not `commands`.
MODULES = {
    "drain": "drain",
    "failures": "failures",
    **dict.fromkeys(("requeue", "cancel", "done", "undo", "journal"), "changes"),
}


def moment(text: str) -> datetime:
    """Read a time in UTC, the next one of this kind if no date is given.

    :param text: such as 18:00, 2026-12-31 18:00 or 2026-12-31T18:00+01:00
    :return: in UTC, without a time zone
    :raise argparse.ArgumentTypeError: it is none of these

    >>> moment("six")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: six is no time: give 18:00, or "2026-12-31 18:00"
    """
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    try:
        if len(text) > len("18:00"):
            found = datetime.fromisoformat(text)
        else:
            found = datetime.combine(now, time.fromisoformat(text))
            found += timedelta(days=found <= now)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text} is no time: give 18:00, or "2026-12-31 18:00"'
        ) from None
    return (
        found.astimezone(timezone.utc).replace(tzinfo=None) if found.tzinfo else found
    )


class QueueJob(Command):
    """Look at the jobs of a database, change them, run them here."""

    name = "queue_job"
    epilog = EXIT_CODES

    def __init__(self):
        super().__init__()
        commands = self.parser.add_subparsers(
            dest="command", required=True, metavar="COMMAND"
        )
        self._commands = commands
        self._add("list", "list jobs, the newest first", filters=True)
        for name, text in LOOKS.items():
            look = self._add(name, text)
            look.add_argument("uuids", nargs="+", metavar="UUID")
        self._add_changes()
        self._add("stats", "count the jobs by channel and state")
        failures = self._add("failures", "list the kinds of failures, with their state")
        failures.add_argument(
            "--all",
            action="store_true",
            help="also those that are ignored, solved, or without a failed job",
        )
        failures.add_argument("--limit", type=int, help="at most so many (80)")
        for name, text in (("pause", "start no more jobs"), ("resume", "start again")):
            channel = self._add(name, f"{text} in channels and below them")
            channel.add_argument("channels", nargs="*", default=["root"])
            if name == "pause":
                channel.add_argument("--reason", help="shown beside the channels")
                channel.add_argument(
                    "--until",
                    type=moment,
                    metavar="TIME",
                    help="the pause ends by itself at this time, in UTC: 18:00,"
                    ' "2026-12-31 18:00", or 2026-12-31T18:00+01:00',
                )
        self._add_drain()
        self._add("prune", "delete ended jobs that their channels keep no longer")
        self._add_run()
        check = self._add("check", "list what is declared for jobs and does not exist")
        check.add_argument("--addon", help="only the job functions of this addon")
        self._add("doctor", "say what keeps jobs from running, and what helps")

    def _add(self, name, text, *, filters=False):
        parser = self._commands.add_parser(name, help=text, description=text)
        several = ", or several of them: DB,DB" if name == "drain" else ""
        help_text = f"the database{several}"
        parser.add_argument("-d", "--database", metavar="DB", help=help_text)
        parser.add_argument("-c", "--config", metavar="FILE", help="of the server")
        parser.add_argument("--json", action="store_true", help="print JSON")
        if filters:
            self._add_filters(parser)
        return parser

    def _add_filters(self, parser):
        group = parser.add_argument_group("filters")
        group.add_argument("--state", action="append", help="may be repeated")
        group.add_argument("--channel", help="this channel and those below it")
        group.add_argument("--model", help="name of a model")
        group.add_argument("--method", help="name of a method")
        group.add_argument("--exception", help="name of an exception, or part of it")
        group.add_argument("--user", help="login of the user who delayed them")
        group.add_argument(
            "--older", type=float, metavar="DAYS", help="created before that"
        )
        group.add_argument(
            "--newer", type=float, metavar="DAYS", help="created after that"
        )
        group.add_argument("--limit", type=int, help="at most so many (list: 80)")

    def _add_changes(self):
        for name, text in CHANGES.items():
            change = self._add(name, text, filters=True)
            change.add_argument("uuids", nargs="*", metavar="UUID")
            self._add_consent(change, with_reason=name != "purge")
            if name == "requeue":
                for state in ("done", "cancelled"):
                    change.add_argument(
                        f"--{state}-too",
                        action="store_true",
                        help=f"also run {state} jobs again",
                    )
        undo = self._add("undo", "put back jobs of a cancel or done, as they were")
        undo.add_argument(
            "lines",
            nargs="+",
            type=int,
            metavar="LINE",
            help="number of a change in the journal",
        )
        self._add_consent(undo)
        journal = self._add("journal", "list the latest changes of jobs by users")
        journal.add_argument("--limit", type=int, help="at most so many (20)")

    @staticmethod
    def _add_consent(parser, *, with_reason=True):
        parser.add_argument(
            "-y", "--yes", action="store_true", help="do not ask for confirmation"
        )
        if with_reason:
            parser.add_argument("--reason", help="why; kept with the jobs")

    def _add_run(self):
        run = self._add("run", "run jobs here, in the foreground, for a debugger")
        run.add_argument("uuids", nargs="*", metavar="UUID")
        run.add_argument("--channel", help="run all that is due in a channel")
        run.add_argument("--limit", type=int, help="run so many jobs at most")
        run.add_argument(
            "--pdb", action="store_true", help="open a debugger where a job fails"
        )

    def _add_drain(self):
        drain = self._add("drain", "let running jobs end and start no more of them")
        drain.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=300,
            metavar="SECONDS",
            help="wait until no job runs, so long at most (300)",
        )
        drain.add_argument("--resume", action="store_true", help="start jobs again")

    def run(self, cmdargs) -> None:
        """Run a command, and end the process with its exit code.

        :param cmdargs: what follows the name of the command on the command line
        :raise SystemExit: always: 0, or what the command returns; 2 where it can't run
        """
        options, rest = self.parser.parse_known_args(cmdargs)
        self._configure(options, rest)
        registries = [self._registry(name) for name in options.databases]
        # only now: a command is loaded before the addons are
        name = MODULES.get(options.command, "commands")
        module = import_module(f"odoo.addons.queue_job.cli.{name}")
        of_several = options.command == "drain"
        sys.exit(module.main(registries if of_several else registries[0], options))

    def _registry(self, database: str) -> Registry:
        try:
            registry = Registry(database)
        except Exception as error:
            sys.exit(self._refuse(f"database {database}: {error}"))
        if "queue.job" not in registry:
            sys.exit(self._refuse(f"{database} has no queue_job installed"))
        return registry

    def _configure(self, options: argparse.Namespace, rest: list[str]):
        arguments = ["--no-http", *rest]
        if options.config:
            arguments += ["-c", options.config]
        if options.database:
            arguments += ["-d", options.database]
        if not any(part.startswith(("--log", "-v")) for part in rest):
            arguments += ["--log-level", "warn"]
        config.parse_config(arguments, setup_logging=True)
        names = options.databases = config["db_name"]
        if options.command == "drain" and not names:
            sys.exit(self._refuse("give the databases: -d DB,DB"))
        if options.command != "drain" and len(names) != 1:
            sys.exit(self._refuse("give one database: -d DB"))
        threading.current_thread().dbname = names[0]

    @staticmethod
    def _refuse(message) -> int:
        sys.stderr.write(f"queue_job: {message}\n")
        return 2
