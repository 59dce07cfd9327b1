"""What users can cause."""

_LONGEST = 2000  # characters of a message


class UserError(ValueError):
    """Something that a user can put right; the message says what was wrong and what to do.

    The base of the library's own errors: catch it to show their messages to people. What a message
    tells of a file's content may be of any length and kind: long ones are cut, and characters that
    would steer a terminal are escaped.
    """

    def __init__(self, message: str):
        cut = f"{message[:_LONGEST]}..." if len(message) > _LONGEST else message
        shown = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in cut)
        super().__init__("".join(shown))
