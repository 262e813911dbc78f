"""Networks, one a module; which of them a model file holds is said in its manifest."""
