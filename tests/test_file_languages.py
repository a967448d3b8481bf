"""The language of a file, by its name and its first line."""

from pathlib import Path

import pytest

from lsp_server.file_languages import language_id_of


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("stubs/A.PYI", "python"),
        ("x.test.ts", "typescript"),
        ("View.tsx", "typescriptreact"),
        ("main.rs", "rust"),
        ("main.go", "go"),
        ("lib.h", "c"),
        ("run.sh", "shellscript"),
        ("Dockerfile", "dockerfile"),
        ("Dockerfile.dev", "dockerfile"),
        ("Makefile", "makefile"),
        ("CMakeLists.txt", "cmake"),
        ("notes.txt", "plaintext"),
        ("LICENSE", "plaintext"),
        (".bashrc", "plaintext"),
    ],
)
def test_the_name_tells_the_language(name: str, language: str) -> None:
    """Whole names come before endings, and case does not matter."""
    assert language == language_id_of(Path(name))


@pytest.mark.parametrize(
    ("first_line", "language"),
    [
        ("#!/usr/bin/env python3", "python"),
        ("#!/usr/bin/env -S python3.12 -u", "python"),
        ("#! /bin/sh", "shellscript"),
        ("#!/usr/bin/node", "javascript"),
        ("#!/usr/bin/awk -f", "plaintext"),
        ("# no interpreter: python", "plaintext"),
    ],
)
def test_the_first_line_tells_where_the_name_does_not(
    first_line: str, language: str
) -> None:
    """A script without an ending names its interpreter; an ending wins over it."""
    assert language == language_id_of(Path("tool"), f"{first_line}\nx = 1\n")
    assert "lua" == language_id_of(Path("tool.lua"), f"{first_line}\n")
