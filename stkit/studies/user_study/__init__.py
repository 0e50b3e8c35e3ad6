"""A user study as the paper has it (Tables 1, 2 and 4): one page without a network, and its count.

`film` shows methods' results from all sides, `make` turns a folder of such clips into a page that
volunteers open, and `read` counts their answers.
"""
