# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``python3 -m setup COMMAND``: the one program behind the Makefile.

This file alone must be readable by any Python 3, for it has to say politely
that the version is a wrong one.
"""

import sys

COMMANDS = {
    "prepare": "setup.stack",
    "run": "setup.demo",
    "test": "setup.run_tests",
    "lint": "setup.lint",
    "format": "setup.lint",
    "counts": "setup.counts",
    "bench": "setup.tools",
    "chaos": "setup.tools",
    "pytest": "setup.tools",
    "shell": "setup.tools",
    "deploy-test": "setup.tools",
    "docs": "setup.docs",
    "changelog": "setup.changelog",
    "pot": "setup.translations",
    "screenshots": "setup.screenshots",
    "wheels": "setup.wheels",
    "clean": "setup.tools",
}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python3 -m setup {{{','.join(COMMANDS)}}}")
    version = "{}.{}".format(*sys.version_info)
    if sys.version_info < (3, 8):  # noqa: UP036 - the older ones are told here
        sys.exit(
            f"setup: Python {version} is too old, 3.10 to 3.13 is needed: "
            "make PYTHON=/path/to/python3.12"
        )
    from setup.console import reporting_errors

    with reporting_errors():
        _run(sys.argv[1])


def _run(command):
    from importlib import import_module

    from setup import python_env

    python_env.enter()
    sys.exit(import_module(COMMANDS[command]).main(command))


if __name__ == "__main__":
    main()
