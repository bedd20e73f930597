"""Stands in for the server where the command line starts one."""
