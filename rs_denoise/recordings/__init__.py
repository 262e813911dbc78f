"""Every way in which frames come from disk or go to it, one format a module."""
