"""Data: sources of photographs (sources.py, photographs.py), batches of them (stream.py)."""
