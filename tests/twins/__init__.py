"""Reference networks in PyTorch, with the parameter names of the published ones."""
