"""The command line, called as a user calls it."""

from diptych.cli.main import main


def run(*arguments):
    """Run the command line: -> its exit code."""
    try:
        main([str(each) for each in arguments])
    except SystemExit as ended:
        return ended.code
    return 0
