import jax
import platformdirs
import pytest

from jax_inpaint.compilation.cache import keep_compiled_programs


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """JAX's settings as before the test; nothing of the user's is touched."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_the_users_cache(settings, monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "jax_inpaint" / "compiled")


def test_what_the_user_set_counts(settings, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    before = jax.config.jax_compilation_cache_dir
    keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == before
