"""Experts and readings as thumbnails. ``crop`` says what of the slice a thumbnail shows, for other rooms too."""
