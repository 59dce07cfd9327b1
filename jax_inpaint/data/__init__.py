"""Data: sources of photographs (sources.py, photographs.py) and the stream of batches (stream.py)."""
