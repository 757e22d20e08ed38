"""Runs the checks of a script for one client, each whatever became of the others, and tells in JSON how they ended."""

import json
import sys
import traceback


def run(checks, *arguments, kind=""):
    """{name of the check: '' or its traceback}"""
    found = {}
    for check in checks:
        try:
            check(*arguments)
            found[kind + check.__name__] = ""
        except Exception:
            found[kind + check.__name__] = traceback.format_exc()
    return found


def tell(found):
    sys.stdout.write(json.dumps(found))
