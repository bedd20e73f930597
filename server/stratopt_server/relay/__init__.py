"""ZeroMQ: opportunities and review words in, parameter packages out, requests answered."""
