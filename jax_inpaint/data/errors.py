"""What can be wrong with data."""

from jax_inpaint.errors import UserError


class DataError(UserError):
    """A data source that can't be used; the message says why and what to do, in one line."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # other libraries' reasons have many
