"""What napari's own layers say: a slice and where it lies, who drew which mask, the windows of CT; outlines of masks.

Records and arrays; nothing here asks for readings or shows any.
"""
