"""`diptych eval`."""

from __future__ import annotations

import click

from diptych.cli.options import device_options, json_option, load_model, print_json, seed_option, set_option


@click.command("eval")
@click.argument("model", type=click.Path())
@click.argument("suite", type=click.Path())
@seed_option
@device_options
@set_option
@json_option
def command(
    model: str, suite: str, seed: int, device: str, dtype: str, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Score MODEL by the metrics of the file SUITE; intervals are 95 % Wilson.

    \b
    Example:
      diptych eval runs/pocket/model suites/emoji.yaml --seed 1
    """
    from diptych.spec.files import read_spec
    from diptych.spec.suite import Suite

    read = read_spec(suite, Suite, overrides)

    from diptych.cli.progress import working
    from diptych.eval.run import evaluate

    loaded = load_model(model, device, dtype)
    with working(f"scoring by {', '.join(read.metrics)}"):
        scores = evaluate(loaded, read, seed=seed)
    if as_json:
        rows = [
            {
                "name": s.name,
                "value": s.value,
                "count": s.count,
                "interval": s.interval,
                "unit": s.unit,
                "baselines": dict(s.baselines),
            }
            for s in scores
        ]
        print_json(rows)
        return
    width = max(len(score.name) for score in scores)
    for score in scores:
        low_high = score.interval
        spread = f"[{low_high[0]:.3f}, {low_high[1]:.3f}]" if low_high else score.unit
        against = "  ".join(f"{name} {value:.3f}" for name, value in score.baselines.items())
        click.echo(f"{score.name:<{width}}  {score.value:.3f}  {spread:<16}  n={score.count:<6} {against}")
