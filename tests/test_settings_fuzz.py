"""Whatever stands in a file, the environment or an editor's options: nothing raises.

And a good setting holds, whatever stands beside it.
"""

import datetime
import json
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lsp_server.config import Config
from lsp_server.modelstore.locate import pulled_models_folder
from lsp_server.raw_settings import config_path
from lsp_server.setting_layers import (
    Layer,
    changed_layer,
    editor_layer,
    environment_layer,
    file_layer,
)
from lsp_server.settings import Resolved, resolve

SECTIONS = get_type_hints(Config)
KEYS = {section: sorted(get_type_hints(kind)) for section, kind in SECTIONS.items()}
ADAPTERS = {
    (section, key): TypeAdapter(hint)
    for section, kind in SECTIONS.items()
    for key, hint in get_type_hints(kind, include_extras=True).items()
}
SEED = 7


def nested(depth: int) -> object:
    """Make a list in a list, as deep as asked."""
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


def camel(name: str) -> str:
    """Spell a key as an editor does."""
    first, *rest = name.split("_")
    return "".join([first, *(word.capitalize() for word in rest)])


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([18, 400, 5000]).map(lambda digits: 10**digits),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["auto", "cpu", "cuda", "debug", "true", "\ud800", "\x1b[2J"]),
    st.dates(),
    st.sampled_from([3, 900, 5000]).map(nested),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    max_leaves=6,
)
keys = st.one_of(
    st.sampled_from([key for names in KEYS.values() for key in names]),
    st.sampled_from([camel(key) for names in KEYS.values() for key in names]),
    st.text(max_size=12),
)
tables = st.one_of(values, st.dictionaries(keys, values, max_size=5))
options = st.dictionaries(
    st.one_of(
        st.sampled_from(
            [*SECTIONS, "midfill", "enable", "gopls", "engin", "log.level"]
        ),
        st.text(max_size=12),
    ),
    tables,
    max_size=4,
)


def check(resolved: Resolved) -> None:
    """Every setting fits its type and range, and every problem can be reported."""
    for (section, key), adapter in ADAPTERS.items():
        value = getattr(getattr(resolved.config, section), key)
        assert value == adapter.validate_python(value, strict=True)
        assert get_type_hints(SECTIONS[section])[key] is type(value)
    for problem in resolved.problems:
        message = str(problem)
        message.encode()
        assert "\x1b" not in message
        assert not message.endswith("..")
        assert len(message) < 1500


@settings(deadline=None)
@given(tables=options)
def test_a_table_never_raises_or_costs_a_good_setting(
    tables: dict[str, object],
) -> None:
    """Whatever TOML can hold stands in the layer below the good setting."""
    good = Layer(place="good", values={"engine": {"seed": SEED}})
    resolved = resolve([good, Layer(place="file", values=tables)])
    check(resolved)
    engine = tables.get("engine")
    if not isinstance(engine, dict) or "seed" not in engine:
        assert SEED == resolved.config.engine.seed


@settings(deadline=None)
@given(sent=st.one_of(values, options, st.builds(lambda x: {"midfill": x}, options)))
def test_an_editor_never_raises(sent: object) -> None:
    """At the start and later, in every shape."""
    check(resolve([editor_layer(sent)]))
    layer = changed_layer(sent)
    check(resolve([layer] if layer else []))


@settings(deadline=None)
@given(beside=st.dictionaries(keys, values, max_size=5))
def test_an_editor_keeps_its_good_setting(beside: dict[str, object]) -> None:
    """A good key holds beside any others of its section."""
    engine = {**beside, "seed": SEED}
    config = resolve([editor_layer({"midfill": {"engine": engine}})]).config
    assert SEED == config.engine.seed


names = st.one_of(
    st.sampled_from(
        [f"{section}_{key}".upper() for section, all_ in KEYS.items() for key in all_]
    ),
    st.text(max_size=12),
)
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["9" * 400, "9" * 5000, "[" * 5000, "{a=" * 2000, "\udcff", "''"]),
    st.sampled_from(["true", "12", "1e400", "nan", "2026-01-02", "'x'", "1\nx=2"]),
)


@settings(deadline=None)
@given(variables=st.dictionaries(names.map("MIDFILL_{}".format), texts, max_size=5))
def test_the_environment_never_raises_or_costs_a_good_setting(
    variables: dict[str, str],
) -> None:
    """Whatever a shell may have set."""
    resolved = resolve(
        [environment_layer({**variables, "MIDFILL_ENGINE_SEED": str(SEED)})]
    )
    check(resolved)
    assert SEED == resolved.config.engine.seed


paths = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=400
)


@settings(deadline=None)
@given(
    environment=st.dictionaries(
        st.sampled_from(["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"]), paths
    ),
    folder=paths,
)
def test_no_home_raises(environment: dict[str, str], folder: str) -> None:
    """Folders that do not exist, or whose names no file system takes."""
    with pytest.MonkeyPatch.context() as changed:
        for name in ("HOME", "MIDFILL_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            changed.delenv(name, raising=False)
        for name, value in environment.items():
            changed.setenv(name, value)
        path = config_path()
        pulled_models_folder(folder)
    if path is not None:
        check(resolve([file_layer(path)]))


def toml(value: object) -> str:
    """Spell a value as TOML does, of those that are in ``flat``."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


flat = st.one_of(
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.dates(),
    st.text("abc é/.-", max_size=9),
    st.lists(st.integers(), max_size=3),
)


@settings(deadline=None)
@given(
    beside=st.dictionaries(
        st.sampled_from([key for key in KEYS["engine"] if key != "seed"]), flat
    ),
    mark=st.sampled_from(["", "\ufeff"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_keeps_its_good_setting(
    tmp_path_factory: pytest.TempPathFactory,
    beside: dict[str, object],
    mark: str,
    end: str,
) -> None:
    """With any values beside it, with and without a byte order mark."""
    lines = ["[engine]", *(f"{key} = {toml(value)}" for key, value in beside.items())]
    path = tmp_path_factory.mktemp("good") / "config.toml"
    path.write_bytes((mark + end.join([*lines, f"seed = {SEED}", ""])).encode())
    resolved = resolve([file_layer(path)])
    check(resolved)
    assert SEED == resolved.config.engine.seed


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_a_file_of_any_bytes_never_raises(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """What is no TOML is ignored, and reported."""
    path = tmp_path_factory.mktemp("any") / "config.toml"
    path.write_bytes(content)
    check(resolve([file_layer(path)]))
