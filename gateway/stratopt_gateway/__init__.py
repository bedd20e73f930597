"""The REST door of stratopt: FastAPI over the client. It knows the protocol, never the server."""
