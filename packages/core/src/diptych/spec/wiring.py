"""How the slots of a model spec are connected, and the sizes that follow. No torch, nothing allocated."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from diptych.errors import Problem, SpecError, suggest
from diptych.ports import Connection, Ports, SizeTable, match_ports, show_port
from diptych.spec.model import GenerateStep, ModelSpec, Understand
from diptych.spec.names import bad_name
from diptych.spec.numerics import follow
from diptych.spec.part import PartSpec, evolved, fields_of, replace_part, walk_parts


OUTPUT_OF = {"encoder": "features", "autoencoder": "latents", "image_tokenizer": "codes"}


@attrs.frozen
class PortRow:
    """One line of the port table: a part, one of its ports, its axes, and the sizes found."""

    part: str
    direction: str
    port: str
    axes: str
    sizes: str
    meaning: str


@attrs.frozen
class Resolved:
    """A model spec in which every size is known, and the table of its ports."""

    spec: ModelSpec
    rows: tuple[PortRow, ...]


def resolve(spec: ModelSpec, source: str = "spec") -> Resolved:
    """Check that all ports fit, and fill in every size that follows from elsewhere.

    Raises:
        SpecError: naming both ends of each connection that does not fit, each reference to something that is not
            there, and each size that neither is given nor follows.
    """
    problems = list(_bad_references(spec))
    if problems:
        raise SpecError(problems, source)
    spec = _with_special_tokens(follow(spec, spec.numerics == "reference"))
    for _ in range(8):  # a size found in one round may decide a property used in the next
        table, ports, found = _match(spec)
        if found:
            raise SpecError(found, source)
        filled = _fill(spec, ports, table)
        if filled == spec:
            break
        spec = filled
    missing = list(_still_unknown(spec))
    if missing:
        raise SpecError(missing, source)
    return Resolved(spec, tuple(_rows(ports, table)))


def connections(spec: ModelSpec) -> Iterator[Connection]:
    """List which port feeds which, over the whole model."""
    if spec.backbone:
        yield Connection("tokenizer.ids", "backbone.ids")
    if spec.understand and spec.understand.encoder != "backbone":
        features = f"vision.{spec.understand.encoder}.features"
        if spec.understand.connector:
            yield Connection(features, "understand.connector.features")
            yield Connection("understand.connector.tokens", "backbone.embeds")
        else:
            yield Connection(features, "backbone.embeds", "put `connector: {type: mlp}` under understand")
    if spec.text:
        yield Connection("backbone.states", "text.states")
        yield Connection("tokenizer.ids", "text.ids")
    for step in spec.generate:
        path = f"generate.{step.name}"
        target = target_port(spec, step.target)
        yield Connection("backbone.states", f"{path}.condition.states")
        yield Connection(
            f"{path}.condition.condition", f"{path}.head.condition", "leave the head's condition size out: it follows"
        )
        made = f"{path}.normalise.normalised" if step.normalise else target
        yield Connection(made, f"{path}.head.target", "leave the head's target size and grid out: they follow")
        if step.normalise:
            yield Connection(target, f"{path}.normalise.target")
    if spec.decode and spec.decode.decoder:
        remedy = "leave the decoder's input size out: it follows"
        yield Connection(target_port(spec, spec.decoded), "decode.decoder.features", remedy)
    for path, part in walk_parts(spec):
        for own, nested in part.ports().inside:
            yield Connection(f"{path}.{own}", f"{path}.{nested}")
        for own, elsewhere in part.sources().items():
            owner, _, name = elsewhere.rpartition(".")
            remedy = "bring its width to another one by a `connector: {type: mlp-norm}`" if owner == "vision" else ""
            yield Connection(target_port(spec, name) if owner == "vision" else elsewhere, f"{path}.{own}", remedy)


def target_port(spec: ModelSpec, name: str) -> str:
    """Return the port that a vision part offers as a target: features, latents or codes."""
    return f"vision.{name}.{OUTPUT_OF[spec.vision[name].kind]}"


def _with_special_tokens(spec: ModelSpec) -> ModelSpec:
    """Give the tokenizer the special tokens of the prompt form, unless it was given its own."""
    if getattr(spec.tokenizer, "special", None) == ():
        return attrs.evolve(spec, tokenizer=evolved(spec.tokenizer, special=spec.prompt.special_tokens()))
    return spec


def _match(spec: ModelSpec) -> tuple[SizeTable, dict[str, Ports], list[Problem]]:
    parts = dict(walk_parts(spec))
    ports = {path: part.ports() for path, part in parts.items()}
    table, mismatches = match_ports(parts, ports, list(connections(spec)))
    problems = []
    for each in mismatches:
        remedy = f"; {each.connection.remedy}" if each.connection.remedy else ""
        problems.append(Problem(each.connection.target.rpartition(".")[0], each.message + remedy, "mismatch"))
    return table, ports, problems


def _fill(spec: ModelSpec, ports: dict[str, Ports], table: SizeTable) -> ModelSpec:
    for path in ports:
        part = dict(walk_parts(spec))[path]
        sizes = {name: size for name in _inferred(part) if (size := table.size((path, name))) is not None}
        if sizes:
            try:
                changed = evolved(part, **sizes)
            except (ValueError, TypeError) as error:  # a part may refuse what follows for it
                raise SpecError([Problem(path, str(error.args[0] if error.args else error), "mismatch")]) from error
            spec = replace_part(spec, path, changed)
    return spec


def _inferred(part: PartSpec) -> list[str]:
    return [f.name for f in fields_of(part) if f.metadata.get("inferred") and getattr(part, f.name) is None]


def _still_unknown(spec: ModelSpec) -> Iterator[Problem]:
    for path, part in walk_parts(spec):
        for name in _inferred(part):
            doc = (
                next(f for f in fields_of(part) if f.name == name)
                .metadata["doc"]
                .replace(" (inferred unless given)", "")
            )
            yield Problem(f"{path}.{name}", f"{doc}: it does not follow from what is connected; give it", "missing")


def _bad_references(spec: ModelSpec) -> Iterator[Problem]:
    def check(path: str, name: str, known: list[str], what: str) -> Iterator[Problem]:
        if name not in known:
            there = f"; {what}: {', '.join(known) or 'none'}"
            yield Problem(path, f"'{name}' is not there{suggest(name, known)}{there}", "reference")

    yield from _bad_text(spec)
    yield from _bad_thoughts(spec)
    vision, steps = list(spec.vision), [step.name for step in spec.generate]
    for path, name in [*(("vision", name) for name in vision), *(("generate", name) for name in steps)]:
        yield from bad_name(f"{path}.{name}", name)
    if spec.understand:
        yield from check("understand.encoder", spec.understand.encoder, [*vision, "backbone"], "under vision")
        if spec.understand.encoder == "backbone" and not getattr(spec.backbone, "reads_pictures", False):
            message = "this backbone has no eyes of its own; name an encoder under vision"
            yield Problem("understand.encoder", message, "reference")
        yield from _bad_reader(spec, spec.understand)
    for name in {each for each in steps if steps.count(each) > 1}:
        yield Problem("generate", f"two steps are called '{name}'; give each a name of its own", "reference")
    for step in spec.generate:
        yield from check(f"generate.{step.name}.target", step.target, vision, "under vision")
    for number, step in enumerate(spec.generate):
        before = {each.name: each for each in spec.generate[:number]}
        for name in getattr(step.condition, "steps", ()):
            yield from check(f"generate.{step.name}.condition", name, list(before), "earlier steps")
            if name in before and not getattr(before[name].head, "continues", False):
                message = f"step '{name}' leaves no states behind: its head does not write ids after the prompt"
                yield Problem(f"generate.{step.name}.condition", message, "reference")
        yield from _bad_pictures(spec, step)
    if spec.decode:
        yield from check("decode.of", spec.decode.of, [*steps, *vision], "generate steps and parts under vision")
        if spec.decode.decoder is None:
            part = spec.vision.get(spec.decoded)
            if part is not None and part.kind == "encoder":
                message = "features of an encoder need a decoder; add `decoder: {type: …}`, or decode an autoencoder's"
                yield Problem("decode", message, "reference")
    paths = [path for path, _ in walk_parts(spec)]
    for path, part in walk_parts(spec):
        for own, elsewhere in part.sources().items():
            owner, _, name = elsewhere.rpartition(".")
            if owner == "vision":
                yield from check(path, name, vision, "under vision")
            else:
                yield from check(f"{path}.{own}", owner, paths, "parts")


def _bad_reader(spec: ModelSpec, understand: Understand) -> Iterator[Problem]:
    """See that what reads pictures for the backbone gives it features, or ids that it writes itself."""
    name = understand.encoder
    part = spec.vision.get(name)
    if part is None or part.kind == "encoder":
        return
    if part.kind == "image_tokenizer" and spec.writer(name):
        if understand.connector:
            message = f"ids of '{name}' are embedded as the step that writes them does it; leave `connector` out"
            yield Problem("understand.connector", message, "reference")
        return
    more = ", and no generate step writes its ids after the prompt" if part.kind == "image_tokenizer" else ""
    yield Problem("understand.encoder", f"'{name}' is an {part.kind}, not an encoder{more}", "reference")


def _bad_pictures(spec: ModelSpec, step: GenerateStep) -> Iterator[Problem]:
    """See that a step which starts from pictures reads features of them, and that what needs them apart can tell."""
    path, references = f"generate.{step.name}", getattr(step.condition, "references", ())
    for name in references:
        if name in spec.vision and spec.vision[name].kind == "image_tokenizer":
            message = f"'{name}' makes ids of pictures, no features; name an encoder or autoencoder"
            yield Problem(f"{path}.condition", message, "reference")
    if getattr(step.head, "drop_text", 0) and not references:
        message = "it keeps the pictures of a condition, but no token of this one is a picture's; "
        message += "add one of type `reference-features`, or leave `drop_text` out"
        yield Problem(f"{path}.head.drop_text", message, "reference")
    if getattr(step.guidance, "tells_pictures", False):
        if not references:
            message = "it tells pictures from text, but no token of the condition is a picture's; "
            message += "add one of type `reference-features`, or take another guidance"
            yield Problem(f"{path}.guidance", message, "reference")
        elif not getattr(step.head, "takes_pictures", False):
            message = "this head does not tell pictures from text; take another guidance, or leave it out"
            yield Problem(f"{path}.guidance", message, "reference")


def _bad_text(spec: ModelSpec) -> Iterator[Problem]:
    """See that a model has a whole language model or none, and that nothing needs one that is not there."""
    if spec.backbone is None and spec.tokenizer is None:
        needing = [name for name in ("understand", "text", "generate") if getattr(spec, name)]
        for name in needing:
            message = "this needs a language model; give `backbone` and `tokenizer`"
            yield Problem(name, f"{message}, or leave `{name}` out", "missing")
        if not needing and spec.decode is None:
            message = "this model does nothing: give `backbone` and `tokenizer`, or `decode` for one without text"
            yield Problem("backbone", message, "missing")
    elif spec.tokenizer is None:
        yield Problem("tokenizer", "missing: the backbone needs one, text <-> ids", "missing")
    elif spec.backbone is None:
        yield Problem(
            "backbone", "missing: a tokenizer alone says nothing; leave both out for a model without text", "missing"
        )


def _bad_thoughts(spec: ModelSpec) -> Iterator[Problem]:
    """See that a thought has its two tokens, and that a model which thinks before it paints can write."""
    marks = {name: getattr(spec.prompt, name) for name in ("think_open", "think_close")}
    lacking = [name for name, token in marks.items() if not token]
    if len(lacking) == 1:
        yield Problem(f"prompt.{lacking[0]}", "missing: a thought has a token that starts it and one that ends it")
    if spec.think is None:
        return
    if not spec.generate:
        yield Problem("think", "it comes before painting; give `generate`, or leave it out", "missing")
    if spec.text is None:
        yield Problem("think", "a thought is text; give `text: {type: next-token}`, or leave it out", "missing")
    if len(lacking) == 2:
        message = "a thought needs `think_open` and `think_close` in `prompt`, special tokens that stand around it"
        yield Problem("think", message, "missing")


def _rows(ports: dict[str, Ports], table: SizeTable) -> Iterator[PortRow]:
    for path, own in ports.items():
        for direction, side in (("in", own.inputs), ("out", own.outputs)):
            for name, port in side.items():
                yield PortRow(path, direction, name, port.axes, show_port(table, path, port), port.meaning)
