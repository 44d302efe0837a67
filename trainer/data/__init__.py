"""From files to batches: reading, splitting by patient, drawing and augmenting examples."""
