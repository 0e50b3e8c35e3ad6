"""Style-A of Style2Talker on a 3D head: a picture lends its art style, from every side."""
