"""A command line: the command and its words, and one line where something goes wrong."""

import os
import signal
import sys
from pathlib import Path

from lib.data.files import OUTPUTS, DataError, StateError
from lib.study import params


class RunError(Exception):
    """A notebook stopped with an error; says which and why."""


def main(commands, words=None):
    """Run one of the commands; an expected error ends it with one message and exit status 2.

    The first word is the command, the second the params file. What a user typed comes from make
    in environment variables, so that no shell reads it.
    """
    words = sys.argv[1:] if words is None else words
    if not words or words[0] not in commands:
        sys.exit(f"error: give one of {', '.join(commands)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        profile = load(words[1] if words[1:] else os.environ.get("STUDY_PARAMS", ""))
        commands[words[0]](profile, *words[2:])
    except (params.ParamsError, DataError, StateError, RunError) as error:
        _stop(2, *(f"error: {line}" for line in str(error).splitlines()))
    except KeyboardInterrupt:
        _stop(130, "stopped; the same command goes on where it was")
    except OSError as error:
        _stop(2, f"error: {error.filename or 'a file'}: {error.strerror or error}")


def load(word):
    """Load a profile by its params file, its name or its outputs folder."""
    path = Path(word.rstrip("/"))
    owner = OUTPUTS / path.name / ".params"
    if path.suffix == ".yaml" or not path.name:
        return params.load(word)
    return params.load(owner.read_text(encoding="utf-8").strip() if owner.exists() else path.name)


def _stop(status, *lines):
    print(*lines, sep="\n", file=sys.stderr)
    sys.exit(status)
