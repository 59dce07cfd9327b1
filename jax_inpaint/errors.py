"""What users can cause."""


class UserError(ValueError):
    """Something that a user can put right; the message says what was wrong and what to do.

    The base of the library's own errors: catch it to show their messages to people.
    """
