"""What can be sampled: networks and the checkpoints that carry them. Torch only; no Qt, no files but checkpoints."""
