"""What the paper takes from diffusion models: novel views (V3D) and edits (InstructPix2Pix), each behind a protocol."""
