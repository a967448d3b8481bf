"""Workers and commands run apart, report, and end with whoever started them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from training.quantize.worker import Worker, run_command

NAME = "perplexity_worker"
FAKE = """#!{python}
import json, os, sys
_, isolated, site, job, descriptor = sys.argv
assert isolated == "-I"
out = os.fdopen(int(descriptor), "w", buffering=1)
def tell(**report):
    out.write(json.dumps(report) + chr(10))
print("chatter")
job = json.load(open(job))
{body}
"""


class Listener:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str, /) -> None:
        self.lines.append(line)

    def step(self, work: str, done: int, total: int) -> None:
        self.lines.append(f"{work}: {done} of {total}")

    def close(self) -> None:
        """Nothing is open."""


def worker(folder: Path, body: str, listener: Listener) -> Worker:
    """Return a worker whose Python is a script that knows the reports' form."""
    python = folder / "python"
    python.write_text(FAKE.format(python=sys.executable, body=body))
    python.chmod(0o755)
    return Worker(python, variables={"GREETING": "hello"}, progress=listener)


def work_folder(folder: Path) -> Path:
    """Return an empty folder."""
    work = folder / "work"
    work.mkdir()
    return work


def test_reports_are_passed_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Words and steps arrive; variables and job too; what it prints does not."""
    said = Listener()
    body = (
        "tell(say=os.environ['GREETING'] + ' ' + os.environ['HF_HUB_OFFLINE'])\n"
        "tell(work='layers', done=1, total=job['layers'])\n"
        "open('litter', 'w').close()"
    )
    worker(tmp_path, body, said).run(
        "worker_tensors", {"layers": 3}, work=work_folder(tmp_path)
    )
    assert ["hello 1", "layers: 1 of 3"] == said.lines
    assert (tmp_path / "work" / "litter").exists()
    assert ("", "") == capfd.readouterr()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('the reason'); sys.exit(3)", "status 3.*\n.*chatter\nthe reason"),
        ("os.kill(os.getpid(), 9)", "was killed; memory probably ran out"),
        (
            "tell(fault='memory', text='CUDA'); sys.exit(1)",
            r"ran out of memory \(CUDA\)",
        ),
        (
            "tell(fault='device', text='no CUDA device'); sys.exit(1)",
            "no CUDA device. Choose --device cpu",
        ),
        ("tell(fault='other', text='x'); sys.exit(1)", "status 1"),
    ],
)
def test_failures_are_errors(tmp_path: Path, body: str, message: str) -> None:
    """What a worker reports of its end, else the last that it printed."""
    with pytest.raises(QuantizeError, match=message):
        worker(tmp_path, body, Listener()).run(
            "worker_tensors", {}, work=work_folder(tmp_path)
        )


def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """What makes folders whole knows what to say of it."""
    body = "tell(fault='disk', text='x'); sys.exit(1)"
    with pytest.raises(OSError, match="No space left"):
        worker(tmp_path, body, Listener()).run(
            "worker_tensors", {}, work=work_folder(tmp_path)
        )


def test_a_missing_python_is_an_error(tmp_path: Path) -> None:
    """It is named, with what to do."""
    missing = Worker(tmp_path / "none", variables={}, progress=Listener())
    with pytest.raises(QuantizeError, match="none: the worker cannot be started"):
        missing.run(NAME, {}, work=work_folder(tmp_path))


def test_an_interrupt_ends_all_of_it(tmp_path: Path) -> None:
    """Neither the worker nor what it started outlives the person's Ctrl+C."""

    class Interrupting(Listener):
        def say(self, line: str, /) -> None:
            self.lines.append(line)
            raise KeyboardInterrupt

    # The child holds a pipe open: reading it ends when no process has it any more.
    reading, writing = os.pipe()
    said = Interrupting()
    body = (
        "import subprocess\n"
        "subprocess.Popen(['sleep', '600'], close_fds=False)\n"
        "tell(say='ready')\nwhile True: pass"
    )
    started = worker(tmp_path, body, said)
    with pytest.MonkeyPatch.context() as patch:
        popen = subprocess.Popen
        patch.setattr(
            "training.quantize.worker.subprocess.Popen",
            lambda *a, pass_fds, **k: popen(*a, pass_fds=(*pass_fds, writing), **k),
        )
        with pytest.raises(KeyboardInterrupt):
            started.run(NAME, {}, work=work_folder(tmp_path))
    os.close(writing)
    assert ["ready"] == said.lines
    assert b"" == os.read(reading, 1)
    os.close(reading)


@pytest.mark.parametrize(
    "name", ["autogptq_worker", "gptqmodel_worker", "perplexity_worker"]
)
def test_workers_need_nothing_of_midfill(tmp_path: Path, name: str) -> None:
    """They import where only what is laid out for them is on the path."""
    work = work_folder(tmp_path)
    worker(tmp_path, "", Listener()).run(name, {}, work=work)
    site = work / f"{name}.site"
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        f"import training.quantize.{name} as worker\n"
        "theirs = [m for m in sys.modules if m.split('.')[0] == 'training']\n"
        "assert 'lsp_server' not in sys.modules\n"
        "print(worker.__file__); print(*theirs)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert 0 == done.returncode, done.stderr
    place, modules = done.stdout.splitlines()
    assert str(site) in place
    laid_out = {path.stem for path in site.rglob("*.py")}
    assert {m.rpartition(".")[2] for m in modules.split()} - {
        "training",
        "quantize",
    } <= laid_out


def test_passes_on_every_line() -> None:
    """Both streams arrive, line by line, in order, whatever their bytes."""
    script = (
        "import sys; print('one', flush=True);"
        "print('two', file=sys.stderr, flush=True);"
        "sys.stdout.buffer.write(b'\\xff\\n')"
    )
    lines: list[str] = []
    run_command([sys.executable, "-c", script], what="it", progress=lines.append)
    assert ["one", "two", "\ufffd"] == lines


def test_forbids_downloads() -> None:
    """The Hugging Face libraries are kept off the network."""
    lines: list[str] = []
    script = "import os; print(os.environ['HF_HUB_OFFLINE'])"
    run_command([sys.executable, "-c", script], what="it", progress=lines.append)
    assert ["1"] == lines


def test_a_failure_shows_the_last_lines() -> None:
    """The status and what the command said last are in the error."""
    script = "import sys; print('x\\n' * 100); print('no memory'); sys.exit(3)"
    with pytest.raises(QuantizeError, match="the work failed with status 3") as caught:
        run_command(
            [sys.executable, "-c", script], what="the work", progress=lambda _: None
        )
    assert "no memory" in caught.value.remedy
    assert len(caught.value.remedy.splitlines()) < 20


def test_a_killed_command_is_a_failure() -> None:
    """A worker that the kernel killed for memory is no success."""
    script = "import os; os.kill(os.getpid(), 9)"
    with pytest.raises(QuantizeError, match="status -9"):
        run_command([sys.executable, "-c", script], what="it", progress=lambda _: None)


def test_a_missing_program_is_an_error(tmp_path: Path) -> None:
    """A Python that is gone is named."""
    with pytest.raises(QuantizeError, match="cannot be started") as caught:
        run_command([tmp_path / "python"], what="it", progress=lambda _: None)
    assert str(tmp_path / "python") == caught.value.subject


def test_an_interrupt_ends_the_command() -> None:
    """No worker outlives the person's Ctrl+C."""

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    # Without the kill, leaving the process' context would wait for this loop.
    script = "print('ready', flush=True)\nwhile True: pass"
    with pytest.raises(KeyboardInterrupt):
        run_command([sys.executable, "-c", script], what="it", progress=interrupt)
