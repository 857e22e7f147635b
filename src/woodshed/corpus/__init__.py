"""Folders of music: which files there are, and what is in them."""
