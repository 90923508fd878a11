"""Comparing the two feeds, and moving between them."""
