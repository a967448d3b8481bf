"""The attached server knows its editor by more than the id of a process."""

from process_ids import begun, replaced

from lsp_server.client.attached_process import EditorProcess


def test_an_editor_lives_until_it_ends() -> None:
    """One that nobody has collected has ended as well."""
    process = begun()
    editor = EditorProcess(process.pid)
    assert not editor.has_ended()
    process.kill()
    while not editor.has_ended():
        pass
    process.wait()
    assert editor.has_ended()


def test_another_process_of_the_same_id_is_not_the_editor() -> None:
    """Ids are given again."""
    process = begun()
    editor = EditorProcess(process.pid)
    other = replaced(process)
    try:
        assert editor.has_ended()
        assert not EditorProcess(other.pid).has_ended()
    finally:
        other.kill()
        other.wait()
