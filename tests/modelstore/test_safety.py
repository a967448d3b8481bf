"""A folder that could run code or reach outside is refused."""

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import ModelIntegrityError, UnsafeModelError
from lsp_server.modelstore.safety import is_inside, refuse_unsafe


def test_lets_a_model_through(model_folder: Path) -> None:
    """Weights, JSON and text are given by name, sorted, subfolders included."""
    (model_folder / "more").mkdir()
    (model_folder / "more" / "NOTICE").touch()
    (model_folder / "README.md").touch()
    expected = (
        "README.md",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "more/NOTICE",
        "tokenizer.json",
    )
    assert expected == refuse_unsafe(model_folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", "pickle"),
        ("model.pt", "pickle"),
        ("model.pth", "pickle"),
        ("model.ckpt", "pickle"),
        ("model.PKL", "pickle"),
        ("weights.npz", "pickle"),
        ("deep/er/model.pickle", "pickle"),
        ("modeling_tiny.py", "is code"),
        ("kernel.so", "is code"),
        ("deep/__init__.py", "is code"),
        ("chat_template.jinja", "chat template"),
        ("chat_template.json", "chat template"),
        ("model.gguf", "of a kind that no model needs"),
        ("x", "of a kind that no model needs"),
        (".env", "of a kind that no model needs"),
    ],
)
def test_refuses_kinds_of_files(model_folder: Path, name: str, message: str) -> None:
    """Pickles, code, chat templates and unknown kinds are refused, at any depth."""
    path = model_folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    with pytest.raises(UnsafeModelError, match=message):
        refuse_unsafe(model_folder)


@pytest.mark.parametrize(
    "content",
    [
        {"auto_map": {"AutoModel": "modeling_tiny.Tiny"}},
        {"trust_remote_code": True},
        {"chat_template": "{{ x }}"},
        {"deep": [{"er": {"auto_map": {}}}]},
        [{"trust_remote_code": False}],
    ],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "x.json"])
def test_refuses_code_named_in_json(
    model_folder: Path, name: str, content: object
) -> None:
    """The keys by which a checkpoint brings code are found wherever they are."""
    (model_folder / name).write_text(json.dumps(content))
    with pytest.raises(UnsafeModelError, match="by which a model brings code"):
        refuse_unsafe(model_folder)


@pytest.mark.parametrize("target", ["config.json", "/etc/passwd", "missing", "."])
def test_refuses_symbolic_links(model_folder: Path, target: str) -> None:
    """Links are refused wherever they point, those to folders too."""
    (model_folder / "vocab.json").symlink_to(target)
    with pytest.raises(UnsafeModelError, match="symbolic link"):
        refuse_unsafe(model_folder)


def test_refuses_pipes_and_sockets(model_folder: Path) -> None:
    """What would block a reader for ever is refused before it is opened."""
    os.mkfifo(model_folder / "merges.txt")
    with pytest.raises(UnsafeModelError, match="pipe"):
        refuse_unsafe(model_folder)
    (model_folder / "merges.txt").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(model_folder / "s.txt"))
        with pytest.raises(UnsafeModelError, match="socket"):
            refuse_unsafe(model_folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=lambda x: str(x[:8])
)
def test_refuses_json_that_is_none(model_folder: Path, content: bytes) -> None:
    """A setting that cannot be read could hold anything."""
    (model_folder / "config.json").write_bytes(content)
    with pytest.raises(ModelIntegrityError, match="not JSON"):
        refuse_unsafe(model_folder)


def test_refuses_json_too_large_to_read(model_folder: Path) -> None:
    """A file of many gigabytes is not read into memory."""
    with (model_folder / "x.json").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(ModelIntegrityError, match="larger than"):
        refuse_unsafe(model_folder)


def test_reports_a_missing_folder(tmp_path: Path) -> None:
    """A folder that vanished is an error of the model."""
    with pytest.raises(ModelIntegrityError, match="cannot be listed"):
        refuse_unsafe(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("model.safetensors", True),
        ("deep/er/x.json", True),
        ("..x", True),
        ("a..b/c", True),
        ("", False),
        (".", False),
        ("..", False),
        ("./x", False),
        ("x/", False),
        ("x//y", False),
        ("x/./y", False),
        ("../x", False),
        ("x/../y", False),
        ("x/..", False),
        ("/etc/passwd", False),
        ("//host/share", False),
        ("C:x", False),
        ("C:/x", False),
        ("x\\..\\y", False),
        ("\\x", False),
        ("x\0y", False),
    ],
)
def test_knows_what_lies_inside(name: str, inside: bool) -> None:  # noqa: FBT001  # a table's column
    """Only a plain relative path, on every system, is inside."""
    assert inside == is_inside(name)


@settings(deadline=None)
@given(st.text(alphabet="./\\ab:\0", max_size=12))
def test_nothing_inside_leads_out(name: str) -> None:
    """Whatever `is_inside` lets through stays below the folder."""
    if is_inside(name):
        base = Path("/base")
        assert Path(os.path.normpath(base / name)).is_relative_to(base)
        assert Path(os.path.normpath(base / name)) != base
