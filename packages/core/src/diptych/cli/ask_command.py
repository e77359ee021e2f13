"""`diptych ask`."""

from __future__ import annotations

import click

from diptych.cli.options import device_options, json_option, load_model, print_json, readable


@click.command("ask")
@click.argument("model", type=click.Path())
@click.argument("picture", type=click.Path())
@click.argument("questions", nargs=-1, required=True)
@device_options
@json_option
def command(model: str, picture: str, questions: tuple[str, ...], device: str, dtype: str, as_json: bool) -> None:
    """Ask MODEL one or more QUESTIONS about PICTURE.

    \b
    Example:
      diptych ask runs/pocket/model scene.png "How many hearts are there?" "What is left of the taxi?"
    """
    from diptych.cli.progress import working
    from diptych.data.preprocess import open_picture
    from diptych.spec.abilities import must_answer_about_pictures

    questions = readable(questions)
    image = open_picture(picture)
    loaded = load_model(model, device, dtype, must_answer_about_pictures)
    with working("answering"):
        answers = loaded.ask(image, list(questions))
    if as_json:
        print_json([{"question": q, "answer": a} for q, a in zip(questions, answers, strict=True)])
        return
    for question, answer in zip(questions, answers, strict=True):
        click.echo(f"{question}\n  {answer}")
