"""The subcommands of ``jax-inpaint``, one a file: a dataclass of its options with ``run``."""
