"""Writes the checkpoint next to it with TensorFlow itself; run once, with TensorFlow 2.21:

python3 -m venv tf && tf/bin/pip install tensorflow && tf/bin/python write_checkpoint.py

Names, types and the optimiser's slots are those of the official DeepFillv2 checkpoint. Every value
is its position: 0, 1, 2, ... over the tensor's size.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

SHAPES = {
    "inpaint_net/conv1/kernel": (5, 5, 5, 2),
    "inpaint_net/conv1/bias": (2,),
    "inpaint_net/conv13_upsample/conv13_upsample_conv/kernel": (3, 3, 2, 4),
    "inpaint_net/conv13_upsample/conv13_upsample_conv/bias": (4,),
    "inpaint_net/conv1/kernel/Adam": (5, 5, 5, 2),
    "inpaint_net/conv1/kernel/Adam_1": (5, 5, 5, 2),
    "discriminator/sn_patch_gan/conv1/kernel_sn/u": (1, 8),
    "beta1_power": (),
    "empty": (0, 3),
}

if __name__ == "__main__":
    folder = Path(__file__).parent / "tensorflow"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, shape in SHAPES.items():
            values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            tf.compat.v1.get_variable(name, initializer=values)
        tf.compat.v1.get_variable("global_step", initializer=np.int64(2**40 + 1))
        tf.compat.v1.get_variable("half", initializer=np.float16([0.5, -2]))
        tf.compat.v1.get_variable("brain", initializer=tf.constant([0.5, -2], tf.bfloat16))
        tf.compat.v1.get_variable("flags", initializer=np.array([True, False]))
        tf.compat.v1.get_variable("text", initializer=np.array(["a", "bc"]))
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(save_relative_paths=True)
        saver.save(session, str(folder / "snap-0"), write_meta_graph=False)
