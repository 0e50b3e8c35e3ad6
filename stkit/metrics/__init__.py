"""How good is it? Metrics of pictures, landmarks and faces, a module for each kind."""
