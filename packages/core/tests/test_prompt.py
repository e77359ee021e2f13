"""One prompt builder: spans, what is learned, and text that cannot forge a special token."""

import pytest
from core_cases.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from diptych.data.sample import Request, Turn
from diptych.errors import RequestError, SpecError
from diptych.prompt import PromptBuilder
from diptych.spec.model import Prompt
from diptych.tokenizers.bytes import BytesTokenizer
from diptych.tokenizers.text import TextTokenizer


FORM = Prompt()
TOKENIZER = BytesTokenizer(special=FORM.special_tokens()).build()
BUILDER = PromptBuilder(FORM, TOKENIZER)
SPECIAL = set(BUILDER.token_ids().values())
PICTURE = object()


def shown(ids):
    """Write ids as text, special tokens by name."""
    names = {value: key for key, value in BUILDER.token_ids().items()}
    text, run = "", []
    for each in [*ids, None]:
        if each in names or each is None:
            text += TOKENIZER.decode(run) + names.get(each, "")
            run = []
        else:
            run.append(each)
    return text


def test_a_conversation_is_written_in_the_prompt_form():
    turns = [Turn("user", (PICTURE, "what?")), Turn("assistant", ("a dog",)), Turn("user", ("sure?",))]
    encoded = BUILDER.conversation(turns, 2)
    assert shown(encoded.ids) == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|image_pad|><|vision_end|>what?<|im_end|>\n"
        "<|im_start|>assistant\na dog<|im_end|>\n<|im_start|>user\nsure?<|im_end|>\n<|im_start|>assistant\n"
    )
    (span,) = encoded.images
    assert [encoded.ids[i] for i in (span.start - 1, span.start, span.start + 2)] == [
        TOKENIZER.id_of(each) for each in ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
    ]


def test_the_answer_and_its_end_are_learned_and_nothing_else():
    encoded = BUILDER.conversation([Turn("user", ("q",)), Turn("assistant", ("a dog",))], 0)
    learned = [each for each, learn in zip(encoded.ids, encoded.learned, strict=True) if learn]
    assert shown(learned) == "a dog<|im_end|>"
    assert encoded.ids[-1] != BUILDER.stop_id()


def test_a_request_for_a_picture_ends_with_its_queries():
    encoded = BUILDER.painting(" a cat ", 3)
    assert shown(encoded.ids) == (
        "<|im_start|>user\nPaint: a cat<|im_end|>\n<|im_start|>assistant\n<|paint|>"
        "<|query_pad|><|query_pad|><|query_pad|>"
    )
    assert encoded.queries == 3
    assert not any(encoded.learned)


def test_a_system_turn_comes_first_unless_the_conversation_has_its_own():
    builder = PromptBuilder(Prompt(system="Be kind."), TOKENIZER)
    assert shown(builder.conversation([Turn("user", ("q",))], 0).ids).startswith(
        "<|im_start|>system\nBe kind.<|im_end|>"
    )
    own = [Turn("system", ("Be brief.",)), Turn("user", ("q",))]
    assert "kind" not in shown(builder.conversation(own, 0).ids)


@given(st.lists(st.sampled_from([*FORM.special_tokens(), "<|", "|>", " ", "a", "\n"]), max_size=8).map("".join))
@examples(100)
def test_special_tokens_typed_by_a_user_are_inert(text):
    ids = TOKENIZER.encode(text)
    assert not SPECIAL & set(ids)
    assert TOKENIZER.decode(ids) == text
    turn = BUILDER.conversation([Turn("user", (text,))], 0)
    empty = BUILDER.conversation([Turn("user", ("",))], 0)
    assert [i for i in turn.ids if i in SPECIAL] == [i for i in empty.ids if i in SPECIAL]
    if text.strip():
        painted, plain = BUILDER.painting(text, 2), BUILDER.painting("x", 2)
        assert [i for i in painted.ids if i in SPECIAL] == [i for i in plain.ids if i in SPECIAL]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@examples(100)
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_broken_text_of_a_terminal_is_replaced_not_refused():
    assert TOKENIZER.decode(TOKENIZER.encode("caf\udce9")) == "caf?"


def test_placeholders_inside_a_prompt_are_words():
    builder = PromptBuilder(Prompt(paint="Draw {prompt} now"), TOKENIZER)
    assert builder.request("{prompt} {role}") == ("Draw {prompt} {role} now",)


NEXT = Prompt(
    edit="Please edit this image: {prompt}.\n{pictures}",
    edit_many="Please edit these {count} images: {prompt}.\n{pictures}",
    one_frame=True,
)
ONE, TWO = "<|vision_start|><|image_pad|><|image_pad|><|vision_end|>", "<|image_pad|><|image_pad|>"


@pytest.mark.parametrize(
    ("form", "pictures", "asked"),
    [
        (FORM, 1, f"{ONE}Edit: {{count}} {{pictures}} <|paint|>"),
        (FORM, 2, f"{ONE}{ONE}Edit: {{count}} {{pictures}} <|paint|>"),
        (NEXT, 1, f"Please edit this image: {{count}} {{pictures}} <|paint|>.\n{ONE}"),
        (NEXT, 3, f"Please edit these 3 images: {{count}} {{pictures}} <|paint|>.\n{ONE[:16]}{TWO * 3}<|vision_end|>"),
    ],
)
def test_a_request_to_edit_has_its_pictures_where_the_form_has_them(form, pictures, asked):
    builder = PromptBuilder(form, TOKENIZER)
    encoded = builder.painting(Request(" {count} {pictures} <|paint|> ", (PICTURE,) * pictures), 1, image_tokens=2)
    opened = "<|im_start|>assistant\n<|paint|><|query_pad|>"
    assert shown(encoded.ids) == f"<|im_start|>user\n{asked}<|im_end|>\n{opened}"
    assert len(encoded.images) == pictures
    pad = TOKENIZER.id_of("<|image_pad|>")
    assert all(encoded.ids[each.start : each.start + each.length] == (pad, pad) for each in encoded.images)
    assert not any(encoded.learned)
    blind = builder.painting(Request("x", (PICTURE,) * pictures), 1)
    assert not blind.images
    assert pad not in blind.ids


@pytest.mark.parametrize("edit", ["", "Edit: {prompt}", "{pictures}", "{pictures}{pictures}{prompt}"])
def test_a_form_of_edits_holds_the_words_and_the_pictures(edit):
    with pytest.raises(ValueError, match=r"it must hold \{prompt\}, .* and \{pictures\} once"):
        Prompt(edit=edit)
    if edit:
        with pytest.raises(ValueError, match=r"it must hold \{prompt\}, .* and \{pictures\} once"):
            Prompt(edit_many=edit)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(RequestError, match="the prompt is empty"):
        BUILDER.painting(prompt, 1)


def test_ids_that_differ_from_the_stored_ones_are_named():
    stored = {**BUILDER.token_ids(), "<|paint|>": 7, "<|gone|>": 8}
    builder = PromptBuilder(Prompt(token_ids=stored), TOKENIZER)
    with pytest.raises(SpecError) as caught:
        builder.check_ids()
    assert [problem.message for problem in caught.value.problems] == [
        f"'<|paint|>' is {TOKENIZER.id_of('<|paint|>')} in the tokenizer, but 7 in the spec",
        "'<|gone|>' is None in the tokenizer, but 8 in the spec",
    ]


def test_a_token_that_the_tokenizer_lacks_is_named():
    with pytest.raises(SpecError, match=r"did you mean '<\|paint\|>'"):
        TOKENIZER.id_of("<|piant|>")


def test_special_tokens_follow_from_the_form():
    form = Prompt(turn="<|{role}|>{content}<|end|>")
    assert form.special_tokens()[:4] == ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
    builder = PromptBuilder(form, BytesTokenizer(special=form.special_tokens()).build())
    assert builder.stop_id() == builder.tokenizer.id_of("<|end|>")


def test_a_tokenizer_survives_its_file(tmp_path):
    from diptych.tokenizers.file import FileTokenizer

    TOKENIZER.save(tmp_path)
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        spec = FileTokenizer(path=str(path), special=FORM.special_tokens())
        read = spec.build()
        assert spec.vocabulary == len(read) == len(TOKENIZER)
        assert read.encode("<|paint|> é", special=True) == TOKENIZER.encode("<|paint|> é", special=True)
        assert read.encode("<|paint|> é") == TOKENIZER.encode("<|paint|> é")


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_file_that_is_no_tokenizer_is_a_spec_error(tmp_path, content):
    from diptych.tokenizers.file import FileTokenizer

    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SpecError, match="not a readable tokenizer"):
        FileTokenizer(path=str(path)).build()


# -- forms with role names of the model's own, as Janus-Pro's ----------------------------------------------------------

OTHER = Prompt(
    turns={
        "system": "{content}\n\n",
        "user": "<|User|>: {content}\n\n",
        "assistant": "<|Assistant|>: {content}<\uff5cend\uff5c>",
    },
    start="<s>",
    system="Be kind.",
    paint_system="",
    paint="{prompt}",
    between="\n",
)


def shown_in(form, encoded):
    tokenizer = BytesTokenizer(special=form.special_tokens()).build()
    builder = PromptBuilder(form, tokenizer)
    names = {value: key for key, value in builder.token_ids().items()}
    ids = encoded(builder).ids
    return "".join(names.get(each) or tokenizer.decode([each]) for each in ids)


def test_turns_may_have_forms_of_their_own():
    assert OTHER.special_tokens()[:3] == ("<|User|>", "<|Assistant|>", "<\uff5cend\uff5c>")
    assert OTHER.special_tokens()[-1] == "<s>"
    turns = [Turn("user", ("look", PICTURE, PICTURE, "what?")), Turn("assistant", ("a dog",)), Turn("user", ("sure?",))]
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    assert shown_in(OTHER, lambda builder: builder.conversation(turns, 1)) == (
        f"<s>Be kind.\n\n<|User|>: look\n{picture}\n{picture}\nwhat?\n\n"
        "<|Assistant|>: a dog<\uff5cend\uff5c><|User|>: sure?\n\n<|Assistant|>:"
    )
    assert shown_in(OTHER, lambda builder: builder.painting("a cat", 0)) == (
        "<s><|User|>: a cat\n\n<|Assistant|>:<|paint|>"
    )


def test_spaces_before_the_content_are_learned_with_it_and_stop_is_the_answers_end():
    tokenizer = BytesTokenizer(special=OTHER.special_tokens()).build()
    builder = PromptBuilder(OTHER, tokenizer)
    encoded = builder.conversation([Turn("user", ("q",)), Turn("assistant", ("a dog",))], 0)
    learned = [each for each, learn in zip(encoded.ids, encoded.learned, strict=True) if learn]
    assert tokenizer.decode(learned[:-1]) == " a dog"
    assert learned[-1] == builder.stop_id() == tokenizer.id_of("<\uff5cend\uff5c>")


@pytest.mark.parametrize(
    ("turns", "why"), [({"bot": "{content}."}, "'bot' is no role"), ({"user": "{content}"}, "that ends the turn")]
)
def test_forms_that_cannot_be_are_refused(turns, why):
    with pytest.raises(ValueError, match=why):
        Prompt(turns=turns)


def test_added_words_that_are_not_special_cannot_be_typed_either():
    from tokenizers import Tokenizer

    inner = Tokenizer.from_str(TOKENIZER._tokenizer.to_str())
    inner.add_tokens(["<I5>"])
    own = TextTokenizer(inner, ("<|a|>",))
    word = own.id_of("<I5>")
    assert word in own.encode("see <I5>", special=True)
    assert word not in own.encode("see <I5>")
    assert own.decode(own.encode("see <I5>")) == "see <I5>"
