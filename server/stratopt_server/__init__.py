"""The stratopt server: backtests, searches and the evidence for them, over gRPC."""

__version__ = "0.1.0"
