"""Ghost text in a real Neovim: shown, followed, cleared and accepted."""

from pathlib import Path

import pytest
from editor_server import EditorServer
from neovim_driver import KEYS, LINE, Neovim

pytestmark = pytest.mark.editor


def shown(neovim: Neovim, keys: str) -> str:
    """Type keys and return the ghost text that comes."""
    neovim.type(keys)
    neovim.wait("Shown")
    return neovim.ghost


def test_ghost_text_is_shown_at_the_cursor(neovim: Neovim) -> None:
    """The suggestion is drawn behind the cursor; the buffer holds what was typed."""
    assert LINE == shown(neovim, "ix = ")
    (ghost,) = neovim.ghosts
    assert (0, 4) == (ghost.row, ghost.column)
    assert ["x = "] == neovim.lines


def test_accept_inserts_the_text(neovim: Neovim) -> None:
    """Tab puts the text behind what was typed, and the cursor behind it."""
    shown(neovim, "ix = ")
    neovim.type("<Tab>")
    neovim.wait("Accepted", part="all")
    assert [f"x = {LINE}"] == neovim.lines
    assert (1, len(f"x = {LINE}")) == neovim.cursor


def test_accept_is_one_undo_step(neovim: Neovim) -> None:
    """One undo takes away what was accepted, and nothing that was typed."""
    shown(neovim, "ix = ")
    neovim.type_out("<Tab><Esc>u")
    assert ["x = "] == neovim.lines


def test_word_and_line_are_accepted_alone(neovim: Neovim) -> None:
    """A word and a line go in alone, and the rest stays shown."""
    shown(neovim, "ix = ")
    neovim.type("<C-l>")
    neovim.wait("Accepted", part="word")
    neovim.wait("Moved")
    assert ["x = item"] == neovim.lines
    assert " + total" == neovim.ghost
    neovim.type("<C-j>")
    neovim.wait("Accepted", part="line")
    assert [f"x = {LINE}"] == neovim.lines


# A paste draws the screen before it returns.
_WATCH_PASTE = """
local paste = vim.paste
vim.paste = function(...)
  local result = paste(...)
  vim.paste = paste
  local namespace = vim.api.nvim_get_namespaces().midfill
  local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
  _G.drawn = { marks[1][3], marks[1][4].virt_text[1][1] }
  return result
end
"""


def test_accepted_word_is_never_drawn_twice(neovim: Neovim, ghost_kind: str) -> None:
    """The first screen with the word has only the rest as ghost text, behind it."""
    if ghost_kind == "native":
        pytest.skip("Neovim itself draws, when it sees the change")
    shown(neovim, "ix = ")
    neovim.lua(_WATCH_PASTE)
    neovim.type("<C-l>")
    neovim.wait("Accepted", part="word")
    assert [len("x = item"), " + total"] == neovim.lua("return _G.drawn")


def test_ghost_moves_with_matching_keys(neovim: Neovim, ghost_kind: str) -> None:
    """Typing the suggestion's own text moves it at once, without a request."""
    shown(neovim, "ix = ")
    neovim.type("it")
    events = neovim.collect("Moved", rest=LINE[2:])
    assert LINE[2:] == neovim.ghost
    if ghost_kind == "own":
        assert "Asked" not in [event.name for event in events]


def test_ghost_comes_back_with_a_backspace(neovim: Neovim) -> None:
    """Taking back a matching key shows what it was."""
    shown(neovim, "ix = ")
    neovim.type("i")
    neovim.wait("Moved", rest=LINE[1:])
    neovim.type("<BS>")
    neovim.wait("Moved", rest=LINE)
    assert LINE == neovim.ghost


def test_another_key_clears_the_ghost_at_once(neovim: Neovim) -> None:
    """A key that the suggestion does not go on with clears it before anything else."""
    shown(neovim, "ix = ")
    neovim.type("z")
    events = neovim.collect("Cleared")
    assert [] == [e.name for e in events if e.name in {"Asked", "Shown", "Moved"}]
    assert all(ghost.column == len("x = z") for ghost in neovim.ghosts)


def test_moving_away_clears_the_ghost(neovim: Neovim) -> None:
    """So does moving the cursor, and leaving Insert mode."""
    shown(neovim, "ix = ")
    neovim.type("<Left>")
    neovim.wait("Cleared")
    assert "" == neovim.ghost
    shown(neovim, "<End>")
    neovim.type("<Esc>")
    neovim.wait("Cleared")
    assert "" == neovim.ghost


def test_a_change_of_another_line_clears_the_ghost(neovim: Neovim) -> None:
    """So does a change that something else makes in the buffer."""
    shown(neovim, "iy = 1<CR>x = ")
    neovim.lua("vim.api.nvim_buf_set_lines(0, 0, 1, false, { 'y = 2' })")
    names = [event.name for event in neovim.collect("Cleared")]
    assert "Shown" not in names


def test_fast_typing_and_accept_leave_nothing_behind(neovim: Neovim) -> None:
    """Keys of the text and Tab in one burst give the text once."""
    shown(neovim, "ix = ")
    neovim.type("it<Tab>")
    neovim.wait("Accepted")
    assert [f"x = {LINE}"] == neovim.lines


def test_fast_typing_of_something_else_accepts_nothing(neovim: Neovim) -> None:
    """Tab right behind other keys is a Tab: the suggestion fits no longer."""
    shown(neovim, "ix = ")
    neovim.type_out("zz<Tab>")
    assert ["x = zz  "] == neovim.lines


def test_keys_behind_an_accept_come_behind_it(neovim: Neovim) -> None:
    """Keys typed ahead keep their order."""
    shown(neovim, "ix = ")
    neovim.type_out("<Tab>;")
    assert [f"x = {LINE};"] == neovim.lines


def test_tab_is_a_tab_where_nothing_is_shown(neovim: Neovim) -> None:
    """Without a suggestion the key indents as it always did."""
    neovim.type_out("i<Tab>")
    assert ["    "] == neovim.lines


def test_tab_falls_through_to_the_mapping_before(
    neovim: Neovim, server: EditorServer, ghost_kind: str
) -> None:
    """What Tab was mapped to before setup, it still does where nothing is shown."""
    settings = {"server": {"command": server.command}, "ghost": ghost_kind}
    neovim.setup(**settings, keymaps={})
    neovim.lua(
        "vim.keymap.set('i', '<Tab>', function() return 'mapped' end, { expr = true })"
    )
    neovim.setup(**settings, keymaps=KEYS)
    neovim.type_out("i<Tab>")
    assert ["mapped"] == neovim.lines
    neovim.setup(**settings, keymaps={})
    neovim.type_out("<Tab>")
    assert ["mappedmapped"] == neovim.lines


def test_abbreviations_still_expand_before_the_key(neovim: Neovim) -> None:
    """A mapped Tab ends an abbreviation as a plain one does."""
    neovim.command("iabbrev <buffer> abc alphabet")
    neovim.type_out("iabc<Tab>")
    assert ["alphabet"] == [line.rstrip() for line in neovim.lines]


def test_columns_behind_emoji(neovim: Neovim) -> None:
    """Astral characters before the cursor move neither ghost nor accepted text."""
    assert LINE == shown(neovim, "i'😀é😀' + ")
    (ghost,) = neovim.ghosts
    assert len("'😀é😀' + ".encode()) == ghost.column
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    assert [f"'😀é😀' + {LINE}"] == neovim.lines


def test_several_lines(neovim: Neovim) -> None:
    """A block is shown below the cursor's line and accepted as lines."""
    text = shown(neovim, "idef f(item, total):<CR>    ")
    assert "item + total\n    return item" == text
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    expected = ["def f(item, total):", "    item + total", "    return item"]
    assert expected == neovim.lines


def test_no_carriage_return_gets_in(neovim: Neovim, tmp_path: Path) -> None:
    """In a file with CRLF line ends, accepted lines have the same ends, once."""
    path = tmp_path / "dos.py"
    neovim.edit(path, "def f(item, total):\r\n    \r\n")
    neovim.wait("Attached")
    shown(neovim, "GA")
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    assert "\r" not in "".join(neovim.lines)
    neovim.type_out("<Esc>")
    neovim.command("write")
    written = path.read_bytes()
    assert written.count(b"\r\n") == written.count(b"\n") == written.count(b"\r") == 3


def test_enter_is_followed_like_any_key(neovim: Neovim, ghost_kind: str) -> None:
    """A line end of the text that is typed moves the ghost to the next line."""
    if ghost_kind == "native":
        pytest.skip("Neovim's own ghost text stays on its first row; it is cleared")
    shown(neovim, "idef f(item, total):<CR>    ")
    neovim.type("item + total<CR>")
    neovim.wait("Moved", rest="return item")
    assert "return item" == neovim.ghost


def test_dot_repeats_what_was_accepted(neovim: Neovim) -> None:
    """The dot command repeats typed and accepted text together."""
    shown(neovim, "ix = ")
    neovim.type_out("<Tab><Esc>")
    neovim.command("%delete")
    neovim.type_out(".")
    assert [f"x = {LINE}"] == neovim.lines


def test_a_macro_runs_without_suggestions(neovim: Neovim) -> None:
    """Replayed keys neither show nor accept anything."""
    neovim.lua("vim.fn.setreg('q', vim.keycode and 'ix = \\t\\27' or 'ix = \\t\\27')")
    neovim.type_out("@q")
    assert ["x =     "] == neovim.lines
    assert [] == [e for e in neovim.events_so_far() if e.name == "Shown"]


def test_normal_command_inserts_what_it_says(neovim: Neovim) -> None:
    """``:normal`` types into the buffer without a suggestion in between."""
    neovim.command("normal ix = 1")
    assert ["x = 1"] == neovim.lines
    assert "" == neovim.ghost


def test_dismissed_stays_away_until_the_text_changes(neovim: Neovim) -> None:
    """The dismiss key clears, and the next key asks again."""
    shown(neovim, "ix = ")
    neovim.type("<C-]>")
    neovim.wait("Cleared")
    assert "" == neovim.ghost
    assert LINE == shown(neovim, "y + ")


def test_completion_menu_hides_ghost_text(neovim: Neovim, ghost_kind: str) -> None:
    """While the menu is open there is no ghost; when it closes, it comes back."""
    if ghost_kind == "native":
        pytest.skip("Neovim's own ghost text is drawn beside the menu")
    neovim.edit(
        Path(str(neovim.lua("return vim.fn.expand('%:p:h')"))) / "menu.py",
        "alpha\nalphabet\n",
    )
    neovim.wait("Attached")
    neovim.command("set completeopt=menu,menuone,noselect")
    shown(neovim, "ox = al")
    neovim.type("<C-n>")
    neovim.wait("Cleared")
    assert 1 == neovim.lua("return vim.fn.pumvisible()")
    assert "" == neovim.ghost
    neovim.type("<C-e>")
    neovim.wait("Shown")


def test_noexpandtab_ghosts_are_drawn_as_wide_as_they_are(neovim: Neovim) -> None:
    """A buffer without expandtab takes the text as it is."""
    neovim.command("setlocal noexpandtab tabstop=8 shiftwidth=8")
    assert LINE == shown(neovim, "i<Tab>x = ")
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    assert [f"\tx = {LINE}"] == neovim.lines


def test_a_buffer_that_cannot_change_gets_nothing(neovim: Neovim) -> None:
    """In a buffer that is not modifiable nothing is asked."""
    neovim.command("setlocal nomodifiable")
    neovim.type_out("ix<Esc>")
    assert [] == [e for e in neovim.events_so_far() if e.name in {"Asked", "Shown"}]
