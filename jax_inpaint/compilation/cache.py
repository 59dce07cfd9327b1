"""Keeping compiled programs from one process to the next."""

import os

import jax
import platformdirs


def keep_compiled_programs() -> None:
    """Has JAX store programs that took a second to compile in the user's cache folder.

    Where ``JAX_COMPILATION_CACHE_DIR`` is set, even to nothing, that counts instead.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = platformdirs.user_cache_path("jax_inpaint") / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
