"""A run's model as the file that ships: its weights in 16 bits where that loses nothing, its card, its way to a hub.

``half`` measures what 16 bits lose, ``card`` and ``figures`` write the page that says what the model is, ``hub`` sends
both to the Hugging Face hub when the user asks, and ``export`` does it in order.
"""
