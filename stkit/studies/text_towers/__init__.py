"""How the text towers of `stkit.metrics.text_towers` were taught, and how well they learned."""
