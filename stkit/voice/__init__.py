"""Style2Talker's first stage, Style-E: a voice and an emotion in words make a head speak."""
