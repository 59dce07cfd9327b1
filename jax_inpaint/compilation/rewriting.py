"""A pass over a traced function that puts faster equivalents in place of its operations.

It runs on the jaxpr, after differentiation, so that models are written with plain convolutions and
every transformation of JAX works on them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array

from jax_inpaint.compilation.convolutions import CPU, GPU, rewrite_convolution

Rules = Mapping[str, Callable[..., Array | None]]

INLINED = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call")
ENTERED = ("scan", "remat2", "checkpoint")  # that keep what they do around their operations


def rewrite(function: Callable[..., Any], platform: str = "cpu") -> Callable[..., Any]:
    """The same function by faster operations, as far as :data:`RULES` has any for a platform.

    Apply it last, right inside ``jax.jit``: derivatives that ``function`` defines for itself are
    gone. ``scan`` and what is recomputed are entered; other loops and branches stay as they are.
    Results differ by rounding.
    """

    @wraps(function)
    def rewritten(*args: Any, **kwargs: Any) -> Any:
        traced, shape = jax.make_jaxpr(function, return_shape=True)(*args, **kwargs)
        outputs = _evaluate(traced, jax.tree.leaves((args, kwargs)), RULES[platform])
        return jax.tree.unflatten(jax.tree.structure(shape), outputs)

    return rewritten


def _evaluate(traced: core.ClosedJaxpr, arguments: Sequence[Any], rules: Rules) -> list[Any]:
    jaxpr = traced.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, traced.consts, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        name, parameters = equation.primitive.name, equation.params
        faster = rules[name](*inputs, **parameters) if name in rules else None
        if faster is not None:
            outputs = [faster]
        elif name in INLINED:
            inner = parameters["jaxpr" if "jaxpr" in parameters else "call_jaxpr"]
            outputs = _evaluate(inner, inputs, rules)
        else:
            if name in ENTERED:
                parameters = _rewritten_inside(parameters, rules)
            bound = equation.primitive.get_bind_params(parameters)
            outputs = equation.primitive.bind(*inputs, **bound)
            if not equation.primitive.multiple_results:
                outputs = [outputs]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _rewritten_inside(parameters: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """The parameters of a primitive that runs a program, with that program rewritten."""
    inner = parameters["jaxpr"]
    is_open = isinstance(inner, core.Jaxpr)
    closed = core.ClosedJaxpr(inner, ()) if is_open else inner
    shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in closed.jaxpr.invars]
    traced = jax.make_jaxpr(lambda *arguments: _evaluate(closed, arguments, rules))(*shapes)
    if is_open and traced.consts:
        return parameters  # it has no place for constants
    return parameters | {"jaxpr": traced.jaxpr if is_open else traced}


def rewrite_sum(x: Array, *, axes: Sequence[int], **_: Any) -> Array | None:
    """A large sum over all axes but the last, the gradient of a bias, as a product with ones."""
    leading = tuple(range(x.ndim - 1))
    if not leading or tuple(axes) != leading or x.dtype != jnp.float32 or x.size < 2**16:
        return None
    rows = x.reshape(-1, x.shape[-1])
    return (jnp.ones((1, len(rows)), x.dtype) @ rows)[0]


RULES: dict[str, Rules] = {
    "cpu": {
        "conv_general_dilated": partial(rewrite_convolution, CPU),
        "reduce_sum": rewrite_sum,
    },
    "gpu": {"conv_general_dilated": partial(rewrite_convolution, GPU)},
}
