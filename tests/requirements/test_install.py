"""The installer's decisions, with a real subprocess where one is started."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installer() -> ModuleType:
    """The installer, which is a script outside of every package."""
    path = ROOT / "requirements" / "install.py"
    spec = importlib.util.spec_from_file_location("midfill_install", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("version", "system", "machine", "fits"),
    [
        ((3, 11), "Linux", "x86_64", True),
        ((3, 12), "Linux", "x86_64", True),
        ((3, 13), "Linux", "x86_64", True),
        ((3, 10), "Linux", "x86_64", False),
        ((3, 14), "Linux", "x86_64", False),
        ((3, 12), "Darwin", "arm64", False),
        ((3, 12), "Linux", "aarch64", False),
    ],
)
def test_unsupported_machines_get_a_reason(
    installer: ModuleType,
    version: tuple[int, int],
    system: str,
    machine: str,
    fits: bool,  # noqa: FBT001 - pytest passes a case's values by name
) -> None:
    """The reason names what was found; a machine that the locks fit has none."""
    reason = installer.why_unsupported(version, system, machine)
    assert fits == (reason is None)
    if reason is not None:
        found = machine if version[1] in {11, 12, 13} else f"{version[0]}.{version[1]}"
        assert found in reason


def test_build_tools_are_locked(installer: ModuleType) -> None:
    """What is built apart takes tools from a file; the rest takes what is there."""
    assert ["--no-build-isolation"] == installer.build_options("cpu")
    option, file = installer.build_options("gptqmodel")
    assert "--build-constraints" == option
    assert "--hash=sha256:" in file.read_text(encoding="utf-8")


def check_settings(
    installer: ModuleType, config: str, given: dict[str, str], expected: dict[str, str]
) -> None:
    """Check what uv gets to know of a pip configuration."""
    assert expected == installer.uv_environment(config, given)


def test_pip_settings_reach_uv(installer: ModuleType) -> None:
    """A mirror, a proxy and a certificate that pip knows are known to uv."""
    check_settings(
        installer,
        "global.index-url='https://mirror.example/simple'\n"
        "global.proxy='http://proxy.example:3128'\nglobal.cert='/ca.pem'\n"
        "global.timeout='60'\n",
        {"HOME": "/home/me"},
        {
            "HOME": "/home/me",
            "UV_DEFAULT_INDEX": "https://mirror.example/simple",
            "ALL_PROXY": "http://proxy.example:3128",
            "SSL_CERT_FILE": "/ca.pem",
        },
    )


def test_pip_variable_wins_over_its_files(installer: ModuleType) -> None:
    """As in pip, a PIP_ variable counts more than a configuration file."""
    check_settings(
        installer,
        ":env:.index-url='https://b.example'\nglobal.index-url='https://a.example'\n",
        {},
        {"UV_DEFAULT_INDEX": "https://b.example"},
    )


def test_uv_settings_win_over_those_of_pip(installer: ModuleType) -> None:
    """What was set for uv itself stays."""
    given = {"UV_DEFAULT_INDEX": "https://c.example"}
    check_settings(installer, "global.index-url='https://a.example'\n", given, given)


@pytest.mark.parametrize("first_fails", [False, True], ids=["there", "missing"])
def test_pytorch_index_is_asked_last(
    installer: ModuleType,
    tmp_path: Path,
    first_fails: bool,  # noqa: FBT001 - pytest passes a case's values by name
) -> None:
    """PyTorch's own index is asked only where pip's places do not hold the build."""
    log, pip = tmp_path / "log", tmp_path / "pip.py"
    pip.write_text(
        "import sys\n"
        f"open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"sys.exit({first_fails} and '--index-url' not in sys.argv)\n",
        encoding="utf-8",
    )
    installer.install_cpu_torch([sys.executable, pip])
    first, *later = log.read_text(encoding="utf-8").splitlines()
    assert "--index-url" not in first
    assert ["--require-hashes" in first, *("--require-hashes" in c for c in later)] == [
        True for _ in (first, *later)
    ]
    asked = [command.rpartition("--index-url ")[2] for command in later]
    assert ([installer.PYTORCH_CPU_INDEX] if first_fails else []) == asked


def test_failure_ends_the_installation(
    installer: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where neither place has the build, the last exit status stands, with a remedy."""
    pip = tmp_path / "pip.py"
    pip.write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        installer.install_cpu_torch([sys.executable, pip])
    assert 3 == ended.value.code
    assert "PIP_FIND_LINKS" in capsys.readouterr().err


def test_midfill_comes_from_the_wheel_where_one_is_named(installer: ModuleType) -> None:
    """The repository is installed for editing only where no wheel is named."""
    wheel = Path("/downloads/midfill-0.1.0-py3-none-any.whl")

    assert [wheel] == installer.midfill_itself(wheel)
    assert ["--editable", ROOT] == installer.midfill_itself(None)
