"""The registry of model families."""

import pytest

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.families import FAMILIES, find_family
from lsp_server.prompt.fim import FimFamily, Slot

ALL = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))


def test_the_promised_families_are_there() -> None:
    """Every family that the documentation names can be asked for."""
    expected = {
        "codegeex4",
        "codegemma",
        "codellama",
        "codestral",
        "deepseek-coder",
        "deepseek-coder-v2",
        "granite-4",
        "granite-code",
        "mellum",
        "midfill",
        "midfill-marked-cursor",
        "qwen2.5-coder",
        "qwen3-coder",
        "qwen3-coder-chatml",
        "seed-coder",
        "starcoder2",
    }
    assert expected == set(FAMILIES)


@ALL
def test_a_family_is_found_by_its_name(family: FimFamily) -> None:
    """The name in a manifest gives that family and no other."""
    assert family is find_family(family.name)


@ALL
def test_prefix_and_suffix_stand_once(family: FimFamily) -> None:
    """Every format has one place for the prefix and one for the suffix."""
    assert 1 == family.order.count(Slot.PREFIX)
    assert 1 == family.order.count(Slot.SUFFIX)


@ALL
def test_snippets_have_a_place_and_a_format(family: FimFamily) -> None:
    """A format either has snippets altogether or not at all."""
    assert (Slot.SNIPPETS in family.order) == bool(family.snippet)
    assert not family.snippet or {Slot.PATH, Slot.TEXT} <= set(family.snippet)


@ALL
def test_a_completion_can_stop(family: FimFamily) -> None:
    """Every family has a stop token, among its sentinels."""
    assert family.stop_tokens
    assert set(family.stop_tokens) <= set(family.sentinels)


@pytest.mark.parametrize("name", ["", "Midfill", "qwen2.5", "gpt-4"])
def test_an_unknown_family_is_refused(name: str) -> None:
    """There is no default and no guess; the error lists what there is."""
    with pytest.raises(UnsupportedModelError, match="midfill"):
        find_family(name)


def test_qwen3_coder_is_asked_without_a_chat() -> None:
    """In ChatML they answer with Markdown fences; that form has a name of its own."""
    raw, chat = find_family("qwen3-coder"), find_family("qwen3-coder-chatml")
    assert find_family("qwen2.5-coder").order == raw.order
    assert "<|im_start|>" not in raw.sentinels
    assert "<|im_start|>" in chat.sentinels
