"""The report: one HTML file, pictures first, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from PIL import Image

from diptych.checkpoint.folder import whole_file
from diptych.model import UnifiedModel
from diptych.spec.files import spec_hash
from diptych_emoji.demo.show import Answered, Painted


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #1c1c1c }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-size: .85rem; margin-top: .3rem }
img { width: 100%; image-rendering: pixelated; border: 1px solid #ddd; border-radius: 4px }
.ok { color: #14733a } .no { color: #a8201a } small { color: #666 }
table { border-collapse: collapse; font-size: .85rem } td { padding: .15rem .6rem .15rem 0; vertical-align: top }
"""


def write_report(
    path: Path, answered: Sequence[Answered], painted: Sequence[Painted], model: UnifiedModel
) -> Path:
    """Write the report, whole or not at all."""
    right, good = (
        sum(each.right for each in answered),
        sum(each.verdict.correct for each in painted),
    )
    scenes = [list(group) for _, group in groupby(answered, key=lambda each: each.scene)]
    text = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Diptych: {escape(model.spec.name)}</title>
<style>{_STYLE}</style>
<h1>{escape(model.spec.name)}</h1>
<p>One small model, assembled from a YAML file. It paints from text and answers questions about pictures.
Nothing here is picked: these are the first prompts and scenes of this seed. Below a prompt stands the plan that the
model wrote before it painted, if it does.
<small>spec {spec_hash(model.spec)}</small></p>
<h2>Painted: the judge accepts {good} of {len(painted)}</h2>
<p>The judge is a frozen ImageNet network with prototypes of another drawing style; it took no part in training.</p>
<div class="grid">{"".join(map(_painted, painted))}</div>
<h2>Answered: {right} of {len(answered)} right</h2>
<p>Scenes with pairs of things, or coloured shapes, that training never showed.</p>
<div class="grid">{"".join(map(_scene, scenes))}</div>
</html>
"""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _painted(each: Painted) -> str:
    mark, word = ("ok", "accepted") if each.verdict.correct else ("no", each.verdict.reason)
    plan = f"<br><small>{escape(each.thought)}</small>" if each.thought else ""
    caption = f"{escape(each.prompt)}{plan}<br><span class='{mark}'>{escape(word)}</span>"
    image = f"<img alt='{escape(each.prompt)}' src='{_data(each.picture)}'>"
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _scene(asked: Sequence[Answered]) -> str:
    rows = "".join(_row(each) for each in asked)
    image = _data(Image.fromarray(asked[0].picture))
    return f"<figure><img alt='scene' src='{image}'><figcaption><table>{rows}</table></figcaption></figure>"


def _row(each: Answered) -> str:
    truth = "" if each.right else f" <small>({escape(each.truth)})</small>"
    mark = "ok" if each.right else "no"
    return f"<tr><td>{escape(each.question)}</td><td class='{mark}'>{escape(each.answer)}{truth}</td></tr>"


def _data(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
