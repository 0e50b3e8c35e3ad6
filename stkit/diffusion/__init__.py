"""What the paper takes from diffusion models, behind protocols: novel views and edits."""
