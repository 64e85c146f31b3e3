"""Counting checks: each is a function that raises where something does not hold."""

import sys
import traceback

_checks = []


def check(function):
    """Registers a check; its docstring is the line that is printed."""
    _checks.append((function.__doc__, function, ()))
    return function


def check_each(*cases):
    """Registers one check per tuple of arguments."""

    def register(function):
        for case in cases:
            name = function.__doc__.format(*map(str, case))
            _checks.append((name, function, case))
        return function

    return register


def equal(got, wanted, what="value"):
    """Raises where two values differ, showing the beginning of each."""
    if got != wanted:
        raise AssertionError(f"{what}: got {shown(got)}, wanted {shown(wanted)}")


def shown(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:120]}... ({len(text)} characters)"


def run_all():
    """Runs what is registered and exits: 0 where all held, else 1. The last line is `N passed, N failed`."""
    failed = 0
    for name, function, case in _checks:
        try:
            function(*case)
            print(f"ok      {name}", flush=True)
        except Exception as error:  # a check may fail in any way; the next one runs all the same
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
            traceback.print_exc(file=sys.stdout)
    print(f"{len(_checks) - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
