"""Training: state.py, step.py, parallel.py, validation.py, checkpoint.py, logs.py, loop.py."""
