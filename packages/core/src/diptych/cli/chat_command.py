"""`diptych chat`."""

from __future__ import annotations

from pathlib import Path

import click

from diptych.cli.options import device_options, json_option, load_model, print_json, readable


@click.command("chat")
@click.argument("model", type=click.Path())
@click.argument("texts", nargs=-1, required=True)
@click.option(
    "--picture", "pictures", multiple=True, type=click.Path(path_type=Path), help="Shown before the first text; repeat."
)
@click.option("--max-tokens", default=64, show_default=True, help="Most words of an answer, in tokens.")
@device_options
@json_option
def command(
    model: str,
    texts: tuple[str, ...],
    pictures: tuple[Path, ...],
    max_tokens: int,
    device: str,
    dtype: str,
    as_json: bool,
) -> None:
    """Talk to MODEL: every one of TEXTS is a turn, answered before the next is said.

    \b
    Examples:
      diptych chat models/blip3o-8b "What is an owl?" "And what does it eat?"
      diptych chat models/blip3o-8b --picture a.png --picture b.png "Which of the two is larger?"
    """
    from diptych.cli.progress import working
    from diptych.data.preprocess import open_picture
    from diptych.data.sample import Turn
    from diptych.spec.abilities import must_answer, must_answer_about_pictures

    said = readable(texts)
    shown = tuple(open_picture(each) for each in pictures)
    loaded = load_model(model, device, dtype, must_answer_about_pictures if shown else must_answer)
    turns: list[Turn] = []
    for index, text in enumerate(said):
        turns.append(Turn("user", (*shown, text) if index == 0 else (text,)))
        with working("answering"):
            (answer,) = loaded.chat([turns], max_tokens=max_tokens)
        turns.append(Turn("assistant", (answer,)))
    answers = [turn.text() for turn in turns if turn.role == "assistant"]
    if as_json:
        print_json([{"text": text, "answer": answer} for text, answer in zip(said, answers, strict=True)])
        return
    for text, answer in zip(said, answers, strict=True):
        click.echo(f"{text}\n  {answer}")
