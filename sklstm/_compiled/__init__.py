"""How networks run: compiled programs and their pool; NumPy for short calls."""
