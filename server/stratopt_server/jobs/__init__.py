"""Processes that compute: the warm templates, what runs inside a job's own process, and their supervisor.

The server imports `supervisor` only. `template` is the second composition root: it is exec'd, never
forked from the server, and imports neither grpc nor peewee.
"""
