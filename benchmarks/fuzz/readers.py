"""All readers, by name."""

from benchmarks.fuzz import checkpoints, clips, configurations, masks, pictures, weights

READERS = {
    reader.name: reader
    for module in (weights, pictures, masks, clips, configurations, checkpoints)
    for reader in module.READERS
}
