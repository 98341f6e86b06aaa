"""Checks of a client in Python: each is a function with the name of its line in checks.txt."""
import os
import sys
import traceback

HINT = "Say what the data is used for"
MARKETING = [1, 2, 3, 4, 5]
KEPT_BACK = [4, 5]
SERVICE = list(range(1, 11))
# what every.sql has for a default
DEFAULT = 'it\'s "so"\n#{exit}'


class Checks:
    def __init__(self, client):
        self.client = client
        with open(os.path.join(os.path.dirname(__file__), "checks.txt")) as lines:
            self.said = dict(line.rstrip("\n").split("\t") for line in lines if "\t" in line)

    def __call__(self, function):
        """Decorator: runs the check at once."""
        self.run(function.__name__, function)

    def named(self, name):
        """The same for a check whose name is taken."""
        return lambda function: self.run(name, function)

    def run(self, name, function):
        try:
            function()
            print(f"ok - {self.client}: {name}: {self.said[name]}", flush=True)
        except Exception:
            print(f"not ok - {self.client}: {name}: {self.said[name]}", flush=True)
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)

    def cannot(self, name, reason):
        assert name in self.said
        print(f"skipped - {self.client}: {name}: {reason}", flush=True)


def same(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def raises(kind, function):
    """Calls the function, which must raise this; returns the exception."""
    try:
        result = function()
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}, but {result!r}")
