"""What may be forgotten: Redis for several servers, and its twin in memory for one."""
