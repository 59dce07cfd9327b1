"""Several processes as one run: how they find each other, what they agree on, and how they end."""

from jax_inpaint.processes.agreement import (
    Parts,
    SharedStop,
    first_does,
    gather,
    is_first,
    meet,
)
from jax_inpaint.processes.ending import (
    LostProcessError,
    last_words,
    leave_at_once,
    noticing_lost_processes,
)
from jax_inpaint.processes.joining import (
    PROCESSES_HELP,
    Place,
    find_place,
    join_processes,
    parse_place,
)

__all__ = [
    "PROCESSES_HELP",
    "LostProcessError",
    "Parts",
    "Place",
    "SharedStop",
    "find_place",
    "first_does",
    "gather",
    "is_first",
    "join_processes",
    "last_words",
    "leave_at_once",
    "meet",
    "noticing_lost_processes",
    "parse_place",
]
