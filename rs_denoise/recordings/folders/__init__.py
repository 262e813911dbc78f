"""Folders of images, one module per layout."""
