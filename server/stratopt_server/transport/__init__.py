"""The gRPC server: interceptors, and one thin servicer per service."""
