"""Is this a Python that Midfill is tested with?"""

from lsp_server.doctor.finding import Finding, Level

__all__ = ["check_python"]

_OLDEST = (3, 11)
_NEWEST = (3, 13)


def check_python(version: tuple[int, int, int]) -> Finding:
    """Judge the version of the running Python."""
    what = "Python " + ".".join(map(str, version))
    if version[:2] < _OLDEST:
        return Finding(
            name="python",
            level=Level.FAILURE,
            what=f"{what} is too old",
            remedy="install Midfill with Python 3.11, 3.12 or 3.13",
        )
    if version[:2] > _NEWEST:
        return Finding(
            name="python",
            level=Level.WARNING,
            what=f"{what} is newer than those that Midfill is tested with",
            remedy="if the engine does not start, take Python 3.11, 3.12 or 3.13",
        )
    return Finding(name="python", level=Level.OK, what=what)
