"""Only what is known to be permissive is used."""

import pytest

from training.corpus.licences import (
    LicenceRefusedError,
    LicenceStatements,
    choose_licence,
)

OSI = "License :: OSI Approved :: "
GPL = "licence of the GPL family"
UNKNOWN = "licence unknown"
OTHER = "licence not permissive"
MIT_TEXT = (
    "Copyright (c) Somebody\n\nPermission is hereby granted, free of charge, to any\n"
    "person obtaining a copy of this software"
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
    assert used == choose_licence(LicenceStatements(expression=expression))


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
        choose_licence(
            LicenceStatements(
                expression=expression, field="MIT", classifiers=(f"{OSI}MIT License",)
            )
        )


@pytest.mark.parametrize(
    ("said", "used"),
    [
        (LicenceStatements(field="MIT"), "MIT"),
        (LicenceStatements(field="The MIT License (MIT)"), "MIT"),
        (LicenceStatements(field="Apache License, Version 2.0"), "Apache-2.0"),
        (LicenceStatements(field="BSD"), "BSD-3-Clause"),
        (
            LicenceStatements(field="BSD 3-Clause OR Apache-2.0"),
            "BSD-3-Clause OR Apache-2.0",
        ),
        (LicenceStatements(classifiers=(f"{OSI}BSD License",)), "BSD-3-Clause"),
        (
            LicenceStatements(
                classifiers=(f"{OSI}Apache Software License", f"{OSI}MIT License")
            ),
            "Apache-2.0 AND MIT",
        ),
        (LicenceStatements(field="MIT", classifiers=(f"{OSI}MIT License",)), "MIT"),
        (
            LicenceStatements(field="See LICENSE", classifiers=(f"{OSI}MIT License",)),
            "MIT",
        ),
        (
            LicenceStatements(
                classifiers=("License :: OSI Approved",), texts=(MIT_TEXT,)
            ),
            "MIT",
        ),
        (
            LicenceStatements(
                field="MIT OR GPL-2.0-only",
                classifiers=(
                    f"{OSI}MIT License",
                    f"{OSI}GNU General Public License v2 (GPLv2)",
                ),
            ),
            "MIT",
        ),
        (
            LicenceStatements(
                field=f"{MIT_TEXT}{' and so on' * 100}\n"
                "The compiler's library:\nGNU GENERAL PUBLIC LICENSE\n",
                classifiers=(f"{OSI}MIT License",),
            ),
            "MIT",
        ),
        (LicenceStatements(field=MIT_TEXT), "MIT"),
        (LicenceStatements(texts=(MIT_TEXT,)), "MIT"),
        (
            LicenceStatements(texts=("Apache License\n   Version 2.0, January 2004",)),
            "Apache-2.0",
        ),
    ],
)
def test_reads_older_fields(said: LicenceStatements, used: str) -> None:
    """Without an expression, the field, the classifiers or the file decide."""
    assert used == choose_licence(said)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (LicenceStatements(), UNKNOWN),
        (LicenceStatements(field="Mine"), UNKNOWN),
        (LicenceStatements(texts=("All rights reserved.",)), UNKNOWN),
        (LicenceStatements(field="GPLv3"), GPL),
        (LicenceStatements(field="GNU General Public License (GPL)"), GPL),
        (LicenceStatements(field="GPL", classifiers=(f"{OSI}MIT License",)), GPL),
        (
            LicenceStatements(field="GPL-3.0-only", classifiers=(f"{OSI}MIT License",)),
            GPL,
        ),
        (
            LicenceStatements(
                field="MIT",
                classifiers=(f"{OSI}GNU Affero General Public License v3",),
            ),
            GPL,
        ),
        (
            LicenceStatements(
                classifiers=(
                    f"{OSI}BSD License",
                    f"{OSI}GNU General Public License (GPL)",
                )
            ),
            GPL,
        ),
        (
            LicenceStatements(
                classifiers=(
                    f"{OSI}BSD License",
                    "License :: Other/Proprietary License",
                )
            ),
            OTHER,
        ),
        (
            LicenceStatements(
                texts=("  GNU LESSER GENERAL PUBLIC LICENSE\n  Version 3",)
            ),
            GPL,
        ),
        (LicenceStatements(texts=(MIT_TEXT, "GNU GENERAL PUBLIC LICENSE\n")), GPL),
        (
            LicenceStatements(texts=(f"{MIT_TEXT}\n\n  GNU GENERAL PUBLIC LICENSE\n",)),
            GPL,
        ),
        (LicenceStatements(texts=(MIT_TEXT, "All rights reserved.")), UNKNOWN),
        (
            LicenceStatements(
                field=f"Free under the GNU General Public License.\n{MIT_TEXT}",
                classifiers=(f"{OSI}MIT License",),
            ),
            GPL,
        ),
        (LicenceStatements(field=f"Free under the GPL, version 3.\n{MIT_TEXT}"), GPL),
    ],
)
def test_refuses_older_fields(said: LicenceStatements, reason: str) -> None:
    """If any of the older statements refuses, the package is refused."""
    with pytest.raises(LicenceRefusedError, match=f"^{reason}$"):
        choose_licence(said)
