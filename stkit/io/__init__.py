"""Files: tensors, video, images, other people's pickles."""
