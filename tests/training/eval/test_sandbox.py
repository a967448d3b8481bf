"""Programs run with limits, and one that runs wild harms only itself."""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lsp_server.errors import EvaluationError
from training.eval import sandbox
from training.eval.sandbox import Limits, runs_to_end

SHORT = Limits(wall_s=20.0, cpu_s=1)


def test_a_sound_program_runs() -> None:
    """It may import, compute, and write small files into a folder of its own."""
    program = (
        "import collections, math, os, pathlib, re\n"
        "assert os.listdir() == []\n"
        "pathlib.Path('note').write_text('é')\n"
        "assert pathlib.Path('note').read_text() == 'é'\n"
        "assert __name__ == '__main__'\n"
    )
    assert runs_to_end(program, Limits())
    assert runs_to_end(program, Limits())


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("def f(:", id="no Python"),
        pytest.param("x = '\0'", id="zero byte"),
        pytest.param("x = '\ud800'", id="lone surrogate"),
        pytest.param("assert 1 == 2", id="assertion"),
        pytest.param("import sys; sys.exit(0)", id="exit"),
        pytest.param("import os; os._exit(0)", id="hard exit"),
        pytest.param("print('x' * 100); raise KeyboardInterrupt", id="interrupt"),
        pytest.param("while True: pass", id="endless loop"),
        pytest.param("x = []\nwhile True: x.append(bytes(1 << 20))", id="memory hog"),
        pytest.param("x = bytearray(4 << 30)", id="one large block"),
        pytest.param("open('a', 'wb').write(bytes(8 << 20))", id="big file"),
        pytest.param("import ctypes; ctypes.string_at(0)", id="crash"),
        pytest.param("f = lambda: f()\nf()", id="endless recursion"),
        pytest.param("import os\nos.fork()", id="fork"),
        pytest.param(
            "import threading\nthreading.Thread(target=print).start()", id="thread"
        ),
        pytest.param("import subprocess\nsubprocess.run(['true'])", id="program"),
        pytest.param("import os\nos.execv('/bin/true', ['true'])", id="exec"),
        pytest.param("import socket\nsocket.socket()", id="socket"),
        pytest.param("import os\nos.kill(os.getppid(), 0)", id="kill"),
        pytest.param("import training", id="installed packages"),
        pytest.param("import pytest", id="installed tools"),
        pytest.param("import os\nassert 'HOME' in os.environ", id="environment"),
    ],
)
def test_a_program_that_fails(program: str) -> None:
    """Whatever goes wrong in a program, it fails, and this process lives."""
    assert runs_to_end(program, SHORT) is False
    assert runs_to_end("x = 1", SHORT) is True


def test_memory_has_an_end() -> None:
    """A program that asks for too much is refused at once."""
    program = (
        "try:\n    held = bytearray(4 << 30)\nexcept MemoryError:\n    pass\n"
        "else:\n    raise SystemExit\n"
    )
    assert runs_to_end(program, Limits())


def test_computing_has_an_end() -> None:
    """An endless loop ends by the time that it computes, not by the clock."""
    began = time.monotonic()
    assert not runs_to_end("while True: pass", Limits(wall_s=300.0, cpu_s=1))
    assert time.monotonic() - began < 150


def test_sleeper_is_killed() -> None:
    """A program that waits without computing ends with its time."""
    began = time.monotonic()
    assert not runs_to_end("import time; time.sleep(500)", Limits(wall_s=0.5))
    assert time.monotonic() - began < 250
    assert [] == _children()


def test_nothing_is_removed_outside(tmp_path: Path) -> None:
    """A program cannot remove, rename or change the rights of what is there."""
    victim = tmp_path / "victim"
    victim.write_text("here")
    victim.chmod(0o666)
    tmp_path.chmod(0o777)
    for call in ("remove({0!r})", "rename({0!r}, 'mine')", "chmod({0!r}, 0)"):
        program = f"import os\nos.{call.format(str(victim))}"
        assert not runs_to_end(program, Limits())
    assert "here" == victim.read_text()


def test_folder_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program's folder is removed, with what was written there."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert runs_to_end("open('left', 'w').write('x')", Limits())
    assert [] == list(tmp_path.iterdir())


def test_programs_map_concurrently() -> None:
    """A program that runs wild does not fail those beside it."""
    programs = ["x = 1", "while True: pass", "x = []\nwhile True: x.append(x * 99)"] * 2
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: runs_to_end(each, SHORT), programs))
    assert [True, False, False] * 2 == found
    assert [] == _children()


def _children() -> list[str]:
    """The sandboxes of this process that still run."""
    return [
        str(child)
        for child in psutil.Process().children(recursive=True)
        if any("sandbox_child" in word for word in child.cmdline())
    ]


def test_runs_with_this_python() -> None:
    """Programs run in the Python that asks."""
    assert runs_to_end(f"import sys\nassert sys.version == {sys.version!r}", Limits())


def test_unprotected_program_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without libseccomp the sandbox says what to install, and runs nothing."""
    child = tmp_path / "sandbox_child.py"
    source = sandbox._CHILD.read_text()
    child.write_text(source.replace("libseccomp.so.2", "libmissing.so.2"))
    monkeypatch.setattr(sandbox, "_CHILD", child)
    tmp_path.chmod(0o777)
    with pytest.raises(EvaluationError, match="libseccomp2"):
        runs_to_end(f"open({str(tmp_path / 'ran')!r}, 'w')", Limits())
    assert not (tmp_path / "ran").exists()
