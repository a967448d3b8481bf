"""Switches, statusline, commands, candidates and reports of acceptance."""

import pytest
from editor_server import EditorServer, wait_for
from neovim_driver import CANDIDATES, LINE, Neovim

pytestmark = pytest.mark.editor


def shown(neovim: Neovim, keys: str) -> str:
    """Type keys and return the ghost text that comes."""
    neovim.type(keys)
    neovim.wait("Shown")
    return neovim.ghost


@pytest.mark.parametrize("scope", ["global", "language", "buffer"])
def test_toggle_clears_and_shows_again(
    neovim: Neovim, ghost_kind: str, scope: str
) -> None:
    """Off takes the ghost away and stops asking; on asks at the cursor."""
    shown(neovim, "ix = ")
    assert False is neovim.call("toggle", scope)
    neovim.wait("Cleared")
    assert "" == neovim.ghost
    assert "Midfill: off" == neovim.call("statusline")
    neovim.type_out("y + ")
    assert [] == [e for e in neovim.events_so_far() if e.name == "Shown"]
    assert True is neovim.call("toggle", scope)
    assert "Midfill" == neovim.call("statusline")
    if ghost_kind == "own":
        neovim.wait("Shown")
        assert LINE == neovim.ghost
    assert LINE == shown(neovim, "z + ")


def test_snooze_ends_by_itself(neovim: Neovim, ghost_kind: str) -> None:
    """A snooze takes the ghost away, and when it is over it comes back."""
    shown(neovim, "ix = ")
    neovim.call("snooze", 0.005)
    neovim.wait("Cleared")
    assert "Midfill: snoozed 1 min" == neovim.call("statusline")
    neovim.wait("Switched", scope="snooze", on=True)
    if ghost_kind == "own":
        neovim.wait("Shown")
        assert LINE == neovim.ghost
    assert LINE == shown(neovim, "z + ")


def test_snooze_can_be_ended(neovim: Neovim) -> None:
    """``:Midfill snooze off`` ends it."""
    neovim.command("Midfill snooze 30")
    assert "Midfill: snoozed 30 min" == neovim.call("statusline")
    neovim.command("Midfill snooze off")
    assert "Midfill" == neovim.call("statusline")


def test_command_completes_and_says_what_there_is(neovim: Neovim) -> None:
    """Names and arguments are completed; a wrong one gets a list."""
    complete = "return vim.fn.getcompletion(..., 'cmdline')"
    assert ["toggle", "trace", "trigger"] == neovim.lua(complete, "Midfill t")
    scopes = ["global", "language", "buffer"]
    assert scopes == neovim.lua(complete, "Midfill toggle ")
    neovim.command("Midfill nonsense")
    assert "nonsense is unknown; there are: accept, answer" in str(
        neovim.wait("Notice").data["text"]
    )


def test_candidates_are_cycled(neovim: Neovim) -> None:
    """An explicit trigger brings several; next and previous go around."""
    neovim.type_out("ix = ")
    neovim.type("<M-t>")
    neovim.wait("Shown", count=1 + len(CANDIDATES))
    assert LINE == neovim.ghost.split(" (")[0]
    others = [text.rstrip() for text in CANDIDATES]
    for expected in [*others, LINE]:
        neovim.type("<M-]>")
        neovim.wait("Shown")
        assert expected == neovim.ghost
    neovim.type("<M-[>")
    neovim.wait("Shown")
    assert others[-1] == neovim.ghost
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    assert [f"x = {others[-1]}"] == neovim.lines


def test_next_asks_for_candidates(neovim: Neovim) -> None:
    """On an automatic suggestion, next asks and shows the next one."""
    shown(neovim, "ix = ")
    neovim.type("<M-]>")
    neovim.wait("Asked", invoked=True)
    neovim.wait("Shown", count=1 + len(CANDIDATES))
    assert CANDIDATES[0].rstrip() == neovim.ghost


def test_acceptance_is_reported(neovim: Neovim, server: EditorServer) -> None:
    """A word, then the rest: the server learns how many code points were accepted."""
    before = len(server.events("completion.accepted"))
    shown(neovim, "ix = ")
    neovim.type("<C-l>")
    neovim.wait("Moved")
    neovim.type("<Tab>")
    neovim.wait("Accepted", part="all")

    def counts() -> list[str]:
        events = server.events("completion.accepted")[before:]
        return [event.fields["accepted_chars"] for event in events]

    expected = [str(len("item")), str(len(LINE))]
    wait_for(lambda: len(counts()) == 2, what="two reports")
    assert expected == counts()


def test_status_is_said_in_sentences(neovim: Neovim) -> None:
    """``:Midfill status`` names the state, and says whether this buffer is on."""
    described = neovim.call("describe")
    assert isinstance(described, list)
    assert described[0].startswith("Server: ")
    assert "This buffer: on" in described


def test_trace_is_shown(neovim: Neovim) -> None:
    """``:Midfill trace`` shows what the model read and wrote, in a scratch buffer."""
    shown(neovim, "ix = ")
    neovim.type_out("<Esc>")
    neovim.command("Midfill trace")
    neovim.wait("Trace")
    text = "\n".join(neovim.lines)
    assert "# The last completion" in text
    assert "- outcome: shown" in text
    assert "- source: engine" in text
    assert "item + total" in text
    assert "nofile" == neovim.lua("return vim.bo.buftype")
