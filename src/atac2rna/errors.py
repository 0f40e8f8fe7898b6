"""The error that a user can mend."""


class InputError(ValueError):
    """Input that the user can mend, told in one sentence: the law, the value, the file and line, the way out.

    The command line prints the message alone and exits with 2; nothing else in the package is caught there.
    """


def nearest_names(name: str, known: list[str] | tuple[str, ...], count: int = 3) -> str:
    """Phrase the known names most like `name` as the end of an error message.

    Args:
        name: What the user wrote.
        known: What there is, in the order in which it should be told.
        count: How many names to offer at most.

    Returns:
        `"did you mean 'a' or 'b'?"` where something resembles `name`, else `"known: a, b, c"`, or `"there are none"`.
    """
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=count, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    if not known:
        return "there are none"
    shown = ", ".join(known[:12])
    return f"known: {shown}{', ...' if len(known) > 12 else ''}"


def nearest_sentence(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Phrase `nearest_names` with its full stop, for a message that goes on."""
    near = nearest_names(name, known)
    return near if near.endswith("?") else f"{near}."
