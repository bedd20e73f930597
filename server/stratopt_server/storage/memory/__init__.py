"""All stores in memory: the twin of the database, for tests and for trying things out."""

from stratopt_server.storage.memory.storage import MemoryStorage

__all__ = ["MemoryStorage"]
