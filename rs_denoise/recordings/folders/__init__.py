"""Folders of images, one module a layout."""
