"""The command line, run in this process as a user would meet it."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from attrs import frozen

from diptych.cli.main import main


@frozen
class Result:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def diptych(*arguments: Any) -> Result:
    """Run `diptych ARGUMENTS`; an exception that a user would see as a traceback comes out as it is."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(each) for each in arguments])
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return Result(code, out.getvalue(), err.getvalue())


def refused(*arguments: Any) -> str:
    """Run a command that must refuse its input: -> what it says; exit code 2, nothing on standard output."""
    result = diptych(*arguments)
    assert result.code == 2, result
    assert "Traceback" not in result.err
    assert result.err.strip()
    return result.err
