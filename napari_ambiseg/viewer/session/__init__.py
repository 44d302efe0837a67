"""What was asked and what came of it: settings, results, what is shown of them. Records and signals, no widgets.

``result`` holds request, result, and its view at a threshold; ``showing`` says which result, threshold, reading and
step are shown now, and everything that shows them listens to it; ``study`` keeps all results, each with its slice.
"""
