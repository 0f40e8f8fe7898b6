"""Models, one file each; `registry.py` is the table of them."""
