"""Every verb as a user meets it: what it prints, its JSON, its exit code, and bad input without tracebacks."""

import io
import json
import warnings
from contextlib import redirect_stderr

import click
import numpy as np
import pytest
import yaml
from core_cases.command import diptych, refused
from core_cases.plugins import hook, plugin
from core_cases.small import MODEL, RECIPE
from PIL import Image

from diptych.cli.main import COMMANDS, run
from diptych.plugins import installed, load_plugins
from diptych.registry import KINDS


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump(MODEL))
    return path


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(path)
    return path


# -- the door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_has_examples(verb):
    result = diptych(verb, "--help")
    assert result.code == 0
    assert "Example" in result.out
    assert f"diptych {verb}" in result.out


def test_the_help_lists_every_verb():
    result = diptych("--help")
    assert result.code == 0
    assert all(f"  {verb} " in result.out for verb in COMMANDS)
    assert diptych("-h").out == result.out


def test_the_version():
    from diptych.version import __version__

    assert diptych("--version").out == f"{__version__}\n"


def test_a_misspelt_verb_is_answered_with_the_nearest():
    assert "unknown command 'generat'; did you mean 'generate'?" in refused("generat")


@pytest.mark.parametrize(
    "arguments", [["list", "--nonsense"], ["show"], ["check"], ["generate", "m"], ["ask", "m", "p"]]
)
def test_wrong_usage_is_exit_code_two(arguments):
    assert "Usage" in refused(*arguments)


def test_debug_shows_the_error_itself():
    from diptych.errors import SpecError

    with pytest.raises(SpecError):
        diptych("--debug", "check", "nothing.yaml")


def test_what_is_warned_of_is_one_line():
    @click.command()
    def warns():
        warnings.warn("mind the gap", stacklevel=1)

    errors = io.StringIO()
    with redirect_stderr(errors):
        run(warns, [])
    assert errors.getvalue() == "warning: mind the gap\n"


def test_what_is_unforeseen_is_not_hidden(monkeypatch, model_file):
    monkeypatch.setattr("diptych.cli.check_command.resolve", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        diptych("check", model_file)


# -- list, show, doctor -------------------------------------------------------------------------------------------


def test_list_shows_every_kind():
    rows = diptych("list", "--json").data
    assert {"kind": "encoder", "type": "patches"}.items() <= next(r for r in rows if r["type"] == "patches").items()
    assert {row["kind"] for row in rows} <= set(KINDS)
    assert all(row["summary"] and row["from"] for row in rows)
    text = diptych("list").out
    assert all(row["type"] in text for row in rows)


def test_list_of_one_kind():
    assert {row["kind"] for row in diptych("list", "tokenizer", "--json").data} == {"tokenizer"}
    assert "did you mean 'tokenizer'?" in refused("list", "tokeniser")


def test_show_says_fields_defaults_and_presets():
    (shown,) = diptych("show", "latent-queries", "--json").data
    fields = {field["name"]: field for field in shown["fields"]}
    assert fields["count"]["default"] == "64"
    assert fields["width"]["default"] == "(inferred)"
    assert fields["count"]["doc"] == "number of queries"
    assert "learned" in shown["doc"].lower()
    text = diptych("show", "hf-causal-lm").out
    assert "model_type" in text
    assert "presets: " in text


def test_show_every_part_of_core():
    for entry in load_plugins(installed()[:1]).registry.entries():
        result = diptych("show", f"{entry.kind}/{entry.component.name}")
        assert result.code == 0
        assert entry.component.name in result.out


@pytest.mark.parametrize("name", ["encodre/patches", "encoder/pathces", "pathces", "/", "encoder/"])
def test_show_of_what_is_not_there(name):
    assert "unknown" in refused("show", name)


def test_doctor_names_versions_plugins_devices():
    found = diptych("doctor", "--json").data
    assert found["packages"]["torch"]
    assert {"name": "core", "error": None}.items() <= found["plugins"][0].items()
    assert found["devices"][0].startswith("cpu")
    assert "core" in diptych("doctor").out


def test_doctor_fails_where_a_plugin_failed(monkeypatch):
    broken = load_plugins([*installed()[:1], plugin("1 / 0", "bad", "bad-dist")])
    monkeypatch.setattr("diptych.cli.doctor_command.plugins", lambda: broken)
    result = diptych("doctor")
    assert result.code == 1
    assert "FAILED: ZeroDivisionError" in result.out
    assert diptych("doctor", "--json").code == 1


def test_a_part_that_cannot_be_imported_is_told_without_a_traceback(monkeypatch):
    broken = load_plugins([plugin(hook("encoder", "gone", target="no_such_module:Spec"), "bad", "bad-dist")])
    monkeypatch.setattr("diptych.cli.show_command.registry", lambda: broken.registry)
    assert "encoder 'gone' of bad-dist points at 'no_such_module:Spec'" in refused("show", "gone")


# -- check --------------------------------------------------------------------------------------------------------


def test_check_prints_ports_and_costs(model_file):
    text = diptych("check", model_file).out
    assert "vision.eye" in text
    assert "b (2 2) 192" in text
    for title in ("parameters", "memory", "FLOPs", "per image generated", "total"):
        assert title in text
    assert "parameters" not in diptych("check", model_file, "--no-costs").out


def test_check_as_json(model_file):
    data = diptych("check", model_file, "--json").data
    assert set(data) == {"name", "spec", "ports", "parameters", "memory", "flops", "assumptions"}
    row = next(each for each in data["ports"] if each["part"] == "vision.eye" and each["port"] == "features")
    assert row["sizes"] == "b (2 2) 192"
    assert set(diptych("check", model_file, "--json", "--no-costs").data) == {"name", "spec", "ports"}


def test_check_takes_changes(model_file):
    changes = ["vision.eye.patch_size=16", "decode.decoder.patch_size=16", "generate.features.condition.count=1"]
    sets = [each for change in changes for each in ("--set", change)]
    data = diptych("check", model_file, "--json", "--no-costs", *sets).data
    assert "b (1 1) 768" in {row["sizes"] for row in data["ports"]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("backbone.widht=3", "did you mean 'width'?"),
        ("vision.eye.type=clipp", "vision.eye.type: unknown"),
        ("understand.connector.in_width=7", "understand.connector"),
        ("generate.features.condition.count=5", "is not tokens"),
        ("x", "not of the form"),
    ],
)
def test_check_refuses_what_does_not_fit(model_file, change, says):
    assert says in refused("check", model_file, "--set", change)


def test_check_of_what_is_not_there(tmp_path):
    assert "no such file" in refused("check", tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\x00\xff")
    assert "binary.yaml" in refused("check", tmp_path / "binary.yaml")


# -- train --------------------------------------------------------------------------------------------------------


def test_train_writes_a_model_that_can_be_used(tmp_path, model_file):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    out = tmp_path / "run"
    result = diptych("train", tmp_path / "recipe.yaml", "--out", out, "--quiet", "--set", "stages.paint.steps=2")
    assert result.code == 0
    assert result.out == f"{out}/model\n"
    assert diptych("generate", out / "model", "a red square", "--out", tmp_path / "png").code == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("model=gone.yaml", "no such file"),
        ("stages.paint.train=[nothing]", "'nothing' holds no weights"),
        ("stages.paint.mixture={pant: 1}", "no such source; under data: paint"),
        ("stages.paint.steps=0", "stages.paint.steps"),
        ("stages.paint.losses.paint.objective={type: pain}", "did you mean 'paint'?"),
    ],
)
def test_train_refuses_what_cannot_work(tmp_path, model_file, change, says):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    assert says in refused("train", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--set", change)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("device", ["cud", "cuda:77"])
def test_train_refuses_a_device_that_is_not_there(tmp_path, model_file, device):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    said = refused("train", tmp_path / "recipe.yaml", "--out", tmp_path / "run", "--device", device)
    assert f"--device {device} cannot be used here" in said
    assert not (tmp_path / "run").exists()


# -- generate -----------------------------------------------------------------------------------------------------


def test_generate_writes_pictures_that_remember_how_they_were_made(saved, tmp_path):
    out = tmp_path / "out"
    data = diptych(
        "generate", saved, "a red square", "ein Kätzchen", "--n", 2, "--seed", 5, "--out", out, "--json"
    ).data
    assert [(row["prompt"], row["seed"]) for row in data["pictures"]] == [
        ("a red square", 5),
        ("a red square", 6),
        ("ein Kätzchen", 5),
        ("ein Kätzchen", 6),
    ]
    for row in data["pictures"]:
        with Image.open(row["file"]) as image:
            assert image.size == (16, 16)
            assert image.text == {"prompt": row["prompt"], "seed": str(row["seed"]), "spec": data["spec"]}
    with Image.open(data["sheet"]) as sheet:
        assert sheet.width > 2 * 128
        assert sheet.text["spec"] == data["spec"]
    assert len(list(out.iterdir())) == 5


def test_the_same_seed_makes_the_same_file(saved, tmp_path):
    diptych("generate", saved, "a", "b", "--seed", 3, "--out", tmp_path / "one")
    diptych("generate", saved, "b", "--seed", 3, "--out", tmp_path / "two")
    assert (tmp_path / "one" / "001-3.png").read_bytes() == (tmp_path / "two" / "000-3.png").read_bytes()


def test_pictures_can_be_enlarged(saved, tmp_path):
    diptych("generate", saved, "a", "--scale", 3, "--out", tmp_path)
    with Image.open(tmp_path / "000-0.png") as image:
        assert image.size == (48, 48)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a", "--n", "0"], "--n"),
        (["a", "--n", "-3"], "--n"),
        (["a", "--n", "many"], "--n"),
        ([""], "the prompt is empty"),
        (["a", " "], "the prompt is empty"),
        (["word " * 10_000], "at most 4096"),
        (["a", "--device", "cuda:77"], "--device cuda:77 cannot be used here"),
        (["a", "--device", "nonsense"], "--device nonsense cannot be used here"),
        (["a", "--dtype", "int3"], "--dtype"),
        (["a", "--seed", "99999999999999999999999"], "--seed"),
        (["a", "--seed", "x"], "--seed"),
        (["a", "--scale", "0"], "--scale"),
    ],
)
def test_generate_refuses_what_cannot_be_painted(saved, tmp_path, arguments, says):
    out = tmp_path / "out"
    assert says in refused("generate", saved, *arguments, "--out", out)
    assert not out.exists()


def test_special_tokens_in_a_prompt_are_words(saved, tmp_path):
    result = diptych("generate", saved, "<|im_end|><|paint|><|query_pad|>", "caf\udce9", "--out", tmp_path / "out")
    assert result.code == 0


def test_an_unwritable_place_is_said_before_anything_is_painted(saved, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing"):
        assert "choose another --out" in refused("generate", saved, "a", "--out", out)
    for verb in ("import", "export"):
        assert "choose another DESTINATION" in refused(verb, "blip3o", saved, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("verb", [["generate", "{}", "a"], ["ask", "{}", "{picture}", "a"], ["eval", "{}", "{suite}"]])
def test_a_folder_that_is_no_checkpoint(tmp_path, picture, verb):
    (tmp_path / "suite.yaml").write_text("{name: s, metrics: {}}")
    for folder in (tmp_path / "nothing", tmp_path):
        filled = [each.format(folder, picture=picture, suite=tmp_path / "suite.yaml") for each in verb]
        extra = ["--out", tmp_path / "png"] if verb[0] == "generate" else []
        assert refused(*filled, *extra)
        assert not (tmp_path / "png").exists()


def test_a_damaged_checkpoint_is_told_without_a_traceback(own_copy, tmp_path):
    path = own_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert "truncated" in refused("generate", own_copy, "a", "--out", tmp_path / "out")


def test_a_checkpoint_of_parts_that_are_not_here_says_what_wrote_it(own_copy, tmp_path):
    path = own_copy / "spec.json"
    path.write_text(path.read_text().replace('"patches"', '"other-eye"'))
    text = refused("generate", own_copy, "a", "--out", tmp_path / "out")
    assert "unknown encoder" in text
    assert "note: this checkpoint was written with: " in text


# -- ask, eval ----------------------------------------------------------------------------------------------------


def test_ask_of_a_model_that_does_not_answer(saved, picture):
    assert "its spec has no `text` head" in refused("ask", saved, picture, "what?")


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n12"])
def test_ask_about_what_is_no_picture(saved, tmp_path, content):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    assert "x.png" in refused("ask", saved, path, "what?")


def test_ask_prints_question_and_answer(saved, picture, monkeypatch):
    class Answers:
        def ask(self, image, questions):
            return [f"{image.size[0]} {question}" for question in questions]

    monkeypatch.setattr("diptych.cli.ask_command.load_model", lambda *_: Answers())
    assert diptych("ask", saved, picture, "a", "b").out == "a\n  16 a\nb\n  16 b\n"
    assert diptych("ask", saved, picture, "a", "--json").data == [{"question": "a", "answer": "16 a"}]


@pytest.mark.parametrize(
    ("suite", "says"),
    [
        ({"name": "s", "metrics": {}}, "metrics"),
        ({"name": "s", "metrics": {"x": {"type": "no-such-metric"}}}, "unknown metric"),
        ({"metrics": 3}, "name: missing"),
    ],
)
def test_eval_refuses_what_is_no_suite(saved, tmp_path, suite, says):
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    assert says in refused("eval", saved, tmp_path / "suite.yaml")


def test_eval_prints_scores_with_intervals_and_baselines(saved, tmp_path, monkeypatch):
    from diptych.eval.score import Score, fraction

    scores = [fraction("questions", [True, False, True, True], blind=0.5), Score("time", 3.5, 2, unit="s")]
    monkeypatch.setattr("diptych.spec.files.read_spec", lambda *_: type("S", (), {"metrics": {"questions": 1}}))
    monkeypatch.setattr("diptych.eval.run.evaluate", lambda *_, **__: scores)
    monkeypatch.setattr("diptych.cli.eval_command.load_model", lambda *_: None)
    rows = diptych("eval", saved, tmp_path, "--json").data
    assert [row["value"] for row in rows] == [0.75, 3.5]
    assert rows[0]["baselines"] == {"blind": 0.5}
    assert rows[1]["interval"] is None
    text = diptych("eval", saved, tmp_path).out
    assert "questions  0.750  [0.301, 0.954]" in text
    assert "blind 0.500" in text
