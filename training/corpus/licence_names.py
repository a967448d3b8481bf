"""The permissive licences, and the names that packages use for them.

Identifiers are SPDX's (https://spdx.org/licenses/). ``BSD-3-Clause`` stands for a BSD
licence without a number of clauses; of those in use it is the strictest.
"""

__all__ = ["CLASSIFIERS", "NAMES", "PERMISSIVE", "SILENT_CLASSIFIERS", "TEXTS"]

PUBLIC_DOMAIN = "LicenseRef-Public-Domain"

PERMISSIVE = frozenset(
    {
        "0BSD",
        "AFL-3.0",
        "Apache-2.0",
        "BlueOak-1.0.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-2-Clause-Patent",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSD-4-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "NCSA",
        "PSF-2.0",
        "PostgreSQL",
        "Python-2.0",
        "Python-2.0.1",
        "TCL",
        "Unlicense",
        "UPL-1.0",
        "W3C",
        "WTFPL",
        "X11",
        "ZPL-2.0",
        "ZPL-2.1",
        "Zlib",
        PUBLIC_DOMAIN,
    }
)

_OSI = "License :: OSI Approved :: "

CLASSIFIERS = {
    "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "License :: Public Domain": PUBLIC_DOMAIN,
    f"{_OSI}Academic Free License (AFL)": "AFL-3.0",
    f"{_OSI}Apache Software License": "Apache-2.0",
    f"{_OSI}BSD License": "BSD-3-Clause",
    f"{_OSI}Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    f"{_OSI}Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    f"{_OSI}Historical Permission Notice and Disclaimer (HPND)": "HPND",
    f"{_OSI}ISC License (ISCL)": "ISC",
    f"{_OSI}MIT License": "MIT",
    f"{_OSI}MIT No Attribution License (MIT-0)": "MIT-0",
    f"{_OSI}Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    f"{_OSI}Python Software Foundation License": "PSF-2.0",
    f"{_OSI}The Unlicense (Unlicense)": "Unlicense",
    f"{_OSI}Universal Permissive License (UPL)": "UPL-1.0",
    f"{_OSI}University of Illinois/NCSA Open Source License": "NCSA",
    f"{_OSI}W3C License": "W3C",
    f"{_OSI}Zope Public License": "ZPL-2.1",
    f"{_OSI}zlib/libpng License": "Zlib",
}

SILENT_CLASSIFIERS = frozenset({"License :: OSI Approved", "License :: DFSG approved"})
"""Classifiers that name no licence."""

NAMES = {
    "3 clause bsd": "BSD-3-Clause",
    "3 clause bsd license": "BSD-3-Clause",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache v2": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 2 clause": "BSD-2-Clause",
    "bsd 2 clause license": "BSD-2-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "bsd 3 clause or apache 2.0": "BSD-3-Clause OR Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "expat": "MIT",
    "freebsd": "BSD-2-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "modified bsd license": "BSD-3-Clause",
    "mozilla public license 2.0": "MPL-2.0",
    "mozilla public license 2.0 mpl 2.0": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "psf": "PSF-2.0",
    "psf license": "PSF-2.0",
    "public domain": PUBLIC_DOMAIN,
    "python software foundation license": "PSF-2.0",
    "simplified bsd": "BSD-2-Clause",
    "the mit license": "MIT",
    "the mit license mit": "MIT",
    "the unlicense": "Unlicense",
    "zpl 2.1": "ZPL-2.1",
}
"""The meaning of ``License`` fields, in lower case with single spaces."""

TEXTS = (
    ("mozilla public license version 2.0", "MPL-2.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("python software foundation license", "PSF-2.0"),
    ("permission is hereby granted free of charge to any person obtaining", "MIT"),
    ("neither the name of", "BSD-3-Clause"),
    ("redistribution and use in source and binary forms", "BSD-2-Clause"),
    ("modify and or distribute this software for any purpose with or without", "ISC"),
    ("modify and distribute this software for any purpose with or without", "ISC"),
    ("this is free and unencumbered software released into the", "Unlicense"),
)
"""Phrases of licence texts, normalised like the names, and the licences; the first
that occurs decides."""
