"""What is drawn on the image. ``looks`` and ``maps`` say what each layer is to show; ``layers`` alone touches them.

``presenter`` joins them to what is shown; ``field_of_view`` is the model's box, which the mouse may drag.
"""
