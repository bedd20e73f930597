"""Stores over a database: peewee on SQLite, and an in-memory twin."""
