"""What may be said of the readings of one slice: numpy and scipy, no torch, no files, no windows.

Legend: S samples, R readers (experts), C channels, H x W pixels. A reading is a boolean mask (H, W), whoever drew it.
"""
