"""The page of ``jax-inpaint app``: fill holes in pictures in a browser."""
