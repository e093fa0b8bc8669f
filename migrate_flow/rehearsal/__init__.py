"""Scratch databases, their templates, and the walk up, down and up again that proves what a downgrade does."""
