"""Only what is known to be permissive is used."""

import pytest

from training.corpus.licences import LicenceRefusedError, choose_licence
from training.corpus.values import Metadata

OSI = "License :: OSI Approved :: "
GPL = "licence of the GPL family"
UNKNOWN = "licence unknown"
OTHER = "licence not permissive"
MIT_TEXT = (
    "Copyright (c) Somebody\n\nPermission is hereby granted, free of charge, to any\n"
    "person obtaining a copy of this software"
)


def metadata(
    expression: str = "",
    licence: str = "",
    classifiers: tuple[str, ...] = (),
    texts: tuple[str, ...] = (),
) -> Metadata:
    """Make the metadata of a package that says this of its licence."""
    return Metadata(
        name="alpha",
        version="1",
        expression=expression,
        licence=licence,
        classifiers=classifiers,
        licence_texts=texts,
    )


@pytest.mark.parametrize(
    ("expression", "used"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("BSD-3-Clause", "BSD-3-Clause"),
        ("Apache-2.0", "Apache-2.0"),
        ("PSF-2.0", "PSF-2.0"),
        ("ISC", "ISC"),
        ("MPL-2.0", "MPL-2.0"),
        ("MIT OR GPL-3.0-only", "MIT"),
        ("GPL-2.0-or-later OR Apache-2.0", "Apache-2.0"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("MIT AND BSD-2-Clause", "MIT AND BSD-2-Clause"),
        ("MIT AND (Apache-2.0 OR GPL-2.0-only)", "MIT AND Apache-2.0"),
        ("MIT AND (Apache-2.0 OR ISC)", "MIT AND (Apache-2.0 OR ISC)"),
        ("(MIT AND GPL-2.0-only) OR ISC", "ISC"),
        ("MIT AND GPL-2.0-only OR ISC", "ISC"),
        ("ISC OR MIT AND GPL-2.0-only", "ISC"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("Apache-2.0+", "Apache-2.0+"),
        ("((MIT))", "MIT"),
    ],
)
def test_reduces_expressions(expression: str, used: str) -> None:
    """Of a choice the permissive part is used; of a combination all or nothing."""
    assert used == choose_licence(metadata(expression))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("GPL-3.0-only", GPL),
        ("LGPL-2.1-or-later", GPL),
        ("AGPL-3.0-only", GPL),
        ("MIT AND GPL-2.0-only", GPL),
        ("MIT AND LGPL-3.0-or-later", GPL),
        ("GPL-2.0-only OR LGPL-3.0-only", GPL),
        ("(MIT OR ISC) AND AGPL-3.0-only", GPL),
        ("GPL-2.0-only WITH Classpath-exception-2.0", GPL),
        ("GPLv3 sort of", GPL),
        ("LicenseRef-NVIDIA-Proprietary", OTHER),
        ("MIT AND LicenseRef-Mine", OTHER),
        ("CC-BY-NC-4.0", OTHER),
        ("Use it well", UNKNOWN),
        ("MIT OR", UNKNOWN),
    ],
)
def test_refuses_expressions(expression: str, reason: str) -> None:
    """Copyleft, proprietary and unknown licences are refused, each with its reason."""
    with pytest.raises(LicenceRefusedError, match=f"^{reason}$"):
        choose_licence(metadata(expression, "MIT", (f"{OSI}MIT License",)))


@pytest.mark.parametrize(
    ("said", "used"),
    [
        (metadata(licence="MIT"), "MIT"),
        (metadata(licence="The MIT License (MIT)"), "MIT"),
        (metadata(licence="Apache License, Version 2.0"), "Apache-2.0"),
        (metadata(licence="BSD"), "BSD-3-Clause"),
        (metadata(licence="BSD 3-Clause OR Apache-2.0"), "BSD-3-Clause OR Apache-2.0"),
        (metadata(classifiers=(f"{OSI}BSD License",)), "BSD-3-Clause"),
        (
            metadata(
                classifiers=(f"{OSI}Apache Software License", f"{OSI}MIT License")
            ),
            "Apache-2.0 AND MIT",
        ),
        (metadata(licence="MIT", classifiers=(f"{OSI}MIT License",)), "MIT"),
        (metadata(licence="See LICENSE", classifiers=(f"{OSI}MIT License",)), "MIT"),
        (metadata(classifiers=("License :: OSI Approved",), texts=(MIT_TEXT,)), "MIT"),
        (
            metadata(
                licence="MIT OR GPL-2.0-only",
                classifiers=(
                    f"{OSI}MIT License",
                    f"{OSI}GNU General Public License v2 (GPLv2)",
                ),
            ),
            "MIT",
        ),
        (
            metadata(
                licence=f"{MIT_TEXT}{' and so on' * 100}\n"
                "The compiler's library:\nGNU GENERAL PUBLIC LICENSE\n",
                classifiers=(f"{OSI}MIT License",),
            ),
            "MIT",
        ),
        (metadata(licence=MIT_TEXT), "MIT"),
        (metadata(texts=(MIT_TEXT,)), "MIT"),
        (
            metadata(texts=("Apache License\n   Version 2.0, January 2004",)),
            "Apache-2.0",
        ),
    ],
)
def test_reads_older_fields(said: Metadata, used: str) -> None:
    """Without an expression, the field, the classifiers or the file decide."""
    assert used == choose_licence(said)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (metadata(), UNKNOWN),
        (metadata(licence="Mine"), UNKNOWN),
        (metadata(texts=("All rights reserved.",)), UNKNOWN),
        (metadata(licence="GPLv3"), GPL),
        (metadata(licence="GNU General Public License (GPL)"), GPL),
        (metadata(licence="GPL", classifiers=(f"{OSI}MIT License",)), GPL),
        (metadata(licence="GPL-3.0-only", classifiers=(f"{OSI}MIT License",)), GPL),
        (
            metadata(
                licence="MIT",
                classifiers=(f"{OSI}GNU Affero General Public License v3",),
            ),
            GPL,
        ),
        (
            metadata(
                classifiers=(
                    f"{OSI}BSD License",
                    f"{OSI}GNU General Public License (GPL)",
                )
            ),
            GPL,
        ),
        (
            metadata(
                classifiers=(
                    f"{OSI}BSD License",
                    "License :: Other/Proprietary License",
                )
            ),
            OTHER,
        ),
        (metadata(texts=("  GNU LESSER GENERAL PUBLIC LICENSE\n  Version 3",)), GPL),
        (metadata(texts=(MIT_TEXT, "GNU GENERAL PUBLIC LICENSE\n")), GPL),
        (metadata(texts=(f"{MIT_TEXT}\n\n  GNU GENERAL PUBLIC LICENSE\n",)), GPL),
        (metadata(texts=(MIT_TEXT, "All rights reserved.")), UNKNOWN),
        (
            metadata(
                licence=f"Free under the GNU General Public License.\n{MIT_TEXT}",
                classifiers=(f"{OSI}MIT License",),
            ),
            GPL,
        ),
        (metadata(licence=f"Free under the GPL, version 3.\n{MIT_TEXT}"), GPL),
    ],
)
def test_refuses_older_fields(said: Metadata, reason: str) -> None:
    """If any of the older statements refuses, the package is refused."""
    with pytest.raises(LicenceRefusedError, match=f"^{reason}$"):
        choose_licence(said)
