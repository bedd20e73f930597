"""One file of routes per resource: read, call the client, describe what came back."""
