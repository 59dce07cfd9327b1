"""What can go wrong by the user's doing."""

from jax_inpaint.errors import UserError


class EvaluationError(UserError):
    """An evaluation that can't be made; the message says why and what to do."""
