"""`serve`: every component in one process (`service`), supervised, woken, told of at the doors."""
