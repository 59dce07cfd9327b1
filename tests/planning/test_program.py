"""Made-up lines in the form of real ones: layouts, tuples, asynchronous pairs, loops."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from jax_inpaint.planning.program import Exchange, estimated_cycles, exchanges
from jax_inpaint.training.mesh import DATA, device_mesh

PROGRAM = """HloModule jit_train_step, is_scheduled=true
%fused (p: f32[8]) -> f32[8] {
  %all-reduce.9 = bf16[4,128]{1,0:T(4,128)(2,1)S(1)} all-reduce(%p), channel_id=7, to_apply=%add
}
ENTRY %main {
  %all-reduce.1 = (bf16[5,5,4,64]{3,2,1,0:T(4,128)(2,1)S(1)}, f32[]{:T(128)}, /*index=5*/f32[3]{0}) all-reduce(%a, %b, /*index=5*/%c), channel_id=1, replica_groups={{0,1}}, to_apply=%add
  %get-tuple-element.2 = f32[]{:T(128)} get-tuple-element(%all-reduce.1), index=1
  %all-reduce-start.3 = bf16[4,128]{1,0} all-reduce-start(%x), channel_id=7, backend_config={"estimated_cycles":"10"}
  %all-reduce-done.3 = bf16[4,128]{1,0} all-reduce-done(%all-reduce-start.3)
  %ag = (f32[2,8]{1,0}, f32[16,8]{1,0}) all-gather-start(f32[2,8] %y), channel_id=3, dimensions={0}
  ROOT cp = (s32[6]{0}, s32[6]{0}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%z), channel_id=4
  %rs = pred[16]{0} reduce-scatter(%w), backend_config={"window_config":{"estimated_cycles":"32"}}
  %rs.2 = u8[16]{0} reduce-scatter(%w)
}
"""  # noqa: E501


def test_exchanges_are_counted_once_with_the_bytes_of_their_results():
    assert exchanges(PROGRAM) == {
        "all-reduce": Exchange(2, 5 * 5 * 4 * 64 * 2 + 4 + 12 + 4 * 128 * 2),
        "all-gather": Exchange(1, 16 * 8 * 4),
        "collective-permute": Exchange(1, 6 * 4),
        "reduce-scatter": Exchange(2, 16 + 16),
    }


def test_cycles_are_added_up_or_unknown():
    assert estimated_cycles(PROGRAM) == 42
    assert estimated_cycles("%a = f32[] add(%b, %c)") is None


def test_a_real_program_of_eight_devices():
    mesh = device_mesh()
    split = NamedSharding(mesh, PartitionSpec(DATA))
    whole = NamedSharding(mesh, PartitionSpec())
    mean = jax.jit(lambda x: jnp.mean(x, axis=0), in_shardings=split, out_shardings=whole)
    text = mean.lower(jax.ShapeDtypeStruct((16, 5), jnp.float32)).compile().as_text()
    assert exchanges(text) == {"all-reduce": Exchange(1, 5 * 4)}
    assert estimated_cycles(text) is None
