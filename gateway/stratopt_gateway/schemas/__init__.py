"""What goes over HTTP: one file of models per resource, each with documented examples."""
