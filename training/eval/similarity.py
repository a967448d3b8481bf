"""How near a suggestion is to the text that was missing."""

__all__ = ["agreeing_chars", "edit_distance", "edit_similarity"]


def edit_similarity(left: str, right: str) -> float:
    """Give 1 less the edit distance over the longer length: 1 is equal, 0 is nothing.

    Two empty texts are equal.
    """
    longer = max(len(left), len(right))
    return 1.0 if longer == 0 else 1 - edit_distance(left, right) / longer


def edit_distance(left: str, right: str) -> int:
    """Count the fewest insertions, deletions and replacements from one to the other.

    Takes time with the product of the lengths.

    Source: Wagner and Fischer 1974, The String-to-String Correction Problem.
    """
    if len(left) < len(right):
        left, right = right, left
    above = list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        here = [row]
        for column, other in enumerate(right, 1):
            replaced = above[column - 1] + (char != other)
            here.append(min(above[column] + 1, here[-1] + 1, replaced))
        above = here
    return above[-1]


def agreeing_chars(suggestion: str, truth: str) -> int:
    """Count the characters at the start that both texts have in common."""
    pairs = zip(suggestion, truth, strict=False)
    differing = (at for at, (one, other) in enumerate(pairs) if one != other)
    return next(differing, min(len(suggestion), len(truth)))
