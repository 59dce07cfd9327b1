import json

import numpy as np

from jax_inpaint.training.logs import RunLog, add_titles


def test_a_resumed_log_drops_what_lies_after_its_step_and_half_written_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": step, "loss": 1.0}) for step in (1, 2, 3, 4)]
    path.write_text("\n".join(lines) + '\n{"step": 5, "lo')
    log = RunLog(tmp_path, first_step=3, steps=10)
    log.scalars(4, {"loss": 0.5})
    log.close()
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert entries == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 1.0},
        {"step": 3, "loss": 1.0},
        {"step": 4, "loss": 0.5},
    ]


def test_an_infinite_psnr_is_null_in_json(tmp_path):
    log = RunLog(tmp_path, first_step=0, steps=10)
    log.scalars(1, {"hole_l1": 0.0, "hole_psnr": float("inf")})
    log.close()
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line) == {"step": 1, "hole_l1": 0.0, "hole_psnr": None}
    assert "Infinity" not in line


def test_titles_stand_above_the_picture():
    picture = np.full((8, 120, 3), 7, np.uint8)
    titled = add_titles(picture, ("left", "right"))
    np.testing.assert_array_equal(titled[-8:], picture)
    strip = titled[:-8]
    for half in (strip[:, :60], strip[:, 60:]):
        assert half.min() < 100  # some text
        assert half.max() == 255  # on white
