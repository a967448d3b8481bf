"""How well the rules for secrets do: recall, false alarms in ordinary code, time.

Run it with ``python -m benchmarks.secret_rules``. The secrets are made up from a seed,
in the shapes that their services document; a secret counts as found when all of it
would be redacted. The ordinary code is Python's standard library and the packages
that are installed, sampled with the same seed.
"""

import argparse
import base64
import json
import random
import string
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import circumstances, percentile, table, write_result
from lsp_server.privacy.secret_finder import SecretFinder

_ALNUM = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + string.digits
_URL = _ALNUM + "-_"
_BASE64 = _ALNUM + "+/"
_HEX = "0123456789abcdef"
_QUOTED = 'value = "%s"'
_PEM = "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----"
_JWT_HEAD = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "1", "exp": 1})
)

_SHAPES = {
    "AWS access key": (_QUOTED, "AKIA", _UPPER, 16),
    "AWS secret key": ('aws_secret_access_key = "%s"', "", _BASE64, 40),
    "GitHub token": (_QUOTED, "ghp_", _ALNUM, 36),
    "GitHub token in a URL": ("git clone https://%s@github.com/a", "ghp_", _ALNUM, 36),
    "GitHub fine-grained token": (_QUOTED, "github_pat_", _ALNUM, 82),
    "GitLab token": (_QUOTED, "glpat-", _URL, 20),
    "Slack token": (_QUOTED, "xoxb-123456789012-123456789012-", _ALNUM, 24),
    "Stripe key": (_QUOTED, "sk_live_", _ALNUM, 24),
    "Google API key": (_QUOTED, "AIza", _URL, 35),
    "OpenAI key": (_QUOTED, "sk-proj-", _ALNUM, 48),
    "Anthropic key": (_QUOTED, "sk-ant-api03-", _URL, 95),
    "Hugging Face token": (_QUOTED, "hf_", _ALNUM, 34),
    "npm token in .npmrc": ("//registry/:_authToken=%s", "npm_", _ALNUM, 36),
    "PyPI token": (_QUOTED, "pypi-AgEIcHlwaS5vcmc", _URL, 80),
    "SendGrid key": (_QUOTED, "SG." + "a" * 22 + ".", _URL, 43),
    "Twilio key": (_QUOTED, "SK", _HEX, 32),
    "Azure storage key": ('"AccountKey=%s=="', "", _BASE64, 86),
    "JSON web token": ("Authorization: Bearer %s", _JWT_HEAD + ".", _URL, 43),
    "private key": (_PEM, "", _BASE64, 64),
    "password in a URL": ('url = "postgres://app:%s@db/x"', "", _ALNUM, 12),
    "password in quotes": ('password = "%s"', "", _ALNUM, 12),
    "password in a call": ('connect("a", password="%s")', "", _ALNUM, 12),
    "password in YAML": ("password: %s", "", _ALNUM, 12),
    "random base64 in quotes": (_QUOTED, "", _BASE64, 44),
    "random hex in quotes": (_QUOTED, "", _HEX, 40),
}
"""The text around it, its beginning, and what so many random characters are of."""


def _recall(finder: SecretFinder, rng: random.Random, count: int) -> dict[str, float]:
    """Return the share of each shape that is found whole."""
    shares = {}
    for name, (line, head, alphabet, length) in _SHAPES.items():
        found = 0
        for _ in range(count):
            secret = head + "".join(rng.choices(alphabet, k=length))
            text = f"import os\n{line.replace('%s', secret)}\nx = 1\n"
            start = text.index(secret)
            spans = finder.find(text, path="a.yaml" if "YAML" in name else "a.py")
            found += any(
                each.start <= start and each.end >= start + len(secret)
                for each in spans
            )
        shares[name] = found / count
    return shares


def _sources(folder: str, rng: random.Random, count: int) -> Iterator[tuple[Path, str]]:
    """Yield source files of a folder, in random order."""
    paths = sorted(Path(folder).rglob("*.py"))
    rng.shuffle(paths)
    for path in paths[:count]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if len(text) < 200_000:
            yield path, text


def _alarms(
    finder: SecretFinder, folder: str, rng: random.Random, count: int
) -> dict[str, object]:
    """Return how much of ordinary code is taken for secrets, and the time."""
    kinds: Counter[str] = Counter()
    lines = 0
    times_ms = []
    for path, text in _sources(folder, rng, count):
        began_s = time.perf_counter()
        spans = finder.find(text, path=path.name)
        if len(text) >= 10_000:
            times_ms.append((time.perf_counter() - began_s) * 1e3 / len(text) * 1e4)
        lines += text.count("\n")
        kinds.update(span.kind for span in spans)
    return {
        "lines": lines,
        "alarms": dict(kinds),
        "alarms_per_1000_lines": round(kinds.total() / lines * 1e3, 3),
        "ms_per_10_kb_p50": round(percentile(times_ms, 50), 2),
        "ms_per_10_kb_p90": round(percentile(times_ms, 90), 2),
    }


def main() -> None:
    """Measure, print the tables, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--secrets", type=int, default=200, help="of each shape")
    parser.add_argument("--files", type=int, default=1000, help="of each folder")
    parser.add_argument("--output", type=Path, help="a JSON file for the result")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)  # noqa: S311  # not for secrets that count
    began_s = time.perf_counter()
    finder = SecretFinder()
    load_ms = (time.perf_counter() - began_s) * 1e3
    recall = _recall(finder, rng, arguments.secrets)
    alarms = {
        name: _alarms(finder, sysconfig.get_path(name), rng, arguments.files)
        for name in ("stdlib", "purelib")
    }
    rows = [[name, f"{share * 100:.1f} %"] for name, share in recall.items()]
    print(table(["shape", "found"], rows))
    print(json.dumps(alarms, indent=2))
    if arguments.output:
        result = {"seed": arguments.seed, "load_ms": load_ms, "recall": recall}
        write_result(
            arguments.output, {**circumstances(), **result, "ordinary_code": alarms}
        )


if __name__ == "__main__":
    main()
