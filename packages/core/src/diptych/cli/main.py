"""`diptych`: the command line's door. Commands are found by name and imported when used."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module

import click

from diptych.errors import DiptychError, UnknownNameError


COMMANDS = {
    "list": "List registered parts.",
    "show": "Show what a part is and which fields it has.",
    "check": "Check a model spec: ports, sizes, parameters, memory, FLOPs.",
    "train": "Train by a recipe.",
    "ask": "Ask a model about pictures.",
    "chat": "Talk to a model, with any number of pictures or none.",
    "generate": "Paint pictures from prompts.",
    "edit": "Change pictures as an instruction says.",
    "reconstruct": "Encode pictures and decode them again.",
    "eval": "Score a model by a suite of metrics.",
    "import": "Read a foreign checkpoint, and write it as ours.",
    "export": "Write a model as a foreign checkpoint.",
    "push": "Upload a checkpoint to a model hub.",
    "doctor": "Say what is installed, what works, and what failed to load.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return import_module(f"diptych.cli.{name}_command").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UnknownNameError("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="diptych", message="%(version)s")
@click.pass_context
def diptych(ctx: click.Context, debug: bool) -> None:
    """Build, train and use unified multimodal models made of parts.

    \b
    Examples:
      diptych list encoder
      diptych check model.yaml
      diptych train recipe.yaml --out runs/first
      diptych generate runs/first/model "two red hearts" --n 4 --out out
      diptych edit models/next-edit cat.png "make the cat blue" --out out
      diptych ask runs/first/model picture.png "How many hearts are there?"
    """
    ctx.obj = {"debug": debug}


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print what is warned of, without the place in the code that says it."""
    click.echo(f"warning: {message}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0 when it worked, 2 for bad input, 1 for anything unforeseen."""
    run(diptych, arguments)


def run(command: click.Command, arguments: list[str] | None = None) -> None:
    """Run a click command with Diptych's manners: errors that teach instead of tracebacks, and exit codes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with warnings.catch_warnings():
            if "--debug" not in arguments:
                warnings.showwarning = _say_warning  # type: ignore[assignment]
            command.main(args=arguments, prog_name=command.name, standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except DiptychError as error:
        if "--debug" in arguments:
            raise
        click.echo(f"error: {error}", err=True)
        for note in getattr(error, "__notes__", ()):
            click.echo(f"note: {note}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
