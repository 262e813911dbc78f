"""The metrics of single frames and of whole recordings. Nothing here prints or draws."""
