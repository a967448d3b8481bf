"""It is told what a model may know from its training."""

from pathlib import Path

from lsp_server.modelstore.locate import locate
from training.corpus.output import PackageEntry, render_attribution
from training.eval.familiarity import Familiarity, count_familiar, trained_packages


def entry(name: str) -> PackageEntry:
    """Give a package of a corpus."""
    return PackageEntry(
        name=name,
        version="1",
        licence="MIT",
        home_page="https://example.org/a|b",
        split="train",
        files=1,
        characters=1,
        sha256="",
    )


def test_reads_what_the_corpus_wrote(tmp_path: Path) -> None:
    """The names are those of the packages, whatever else a row says."""
    text = render_attribution([entry("one"), entry("two-three")])
    (tmp_path / "ATTRIBUTION.md").write_text(text, encoding="utf-8")
    assert frozenset({"one", "two-three"}) == trained_packages(tmp_path)


def test_the_shipped_model_says_it() -> None:
    """Well-known packages are among those of the starter model."""
    found = trained_packages(locate("midfill-starter-88m"))
    assert found is not None
    assert {"accelerate", "absl-py"} <= found
    assert len(found) > 3000


def test_others_do_not_say(tmp_path: Path) -> None:
    """Without a list, or with one of nothing, nothing is claimed."""
    assert trained_packages(tmp_path) is None
    (tmp_path / "ATTRIBUTION.md").write_text("# Thanks to all\n", encoding="utf-8")
    assert trained_packages(tmp_path) is None


def test_counts() -> None:
    """Cursors are in packages trained on, in others, or in none that is known."""
    packages = ["one", "one", "four", None]
    expected = Familiarity(trained=2, other=1, unknown=1)
    assert expected == count_familiar(packages, frozenset({"one", "two"}))
