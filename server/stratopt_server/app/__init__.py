"""Composition root: the only package of the server that knows everything."""

from stratopt_server.app.desk import AdvisorAbsent, UnknownPolicy
from stratopt_server.app.house import App, running
from stratopt_server.app.outside import UnusableRoutes
from stratopt_server.app.shared import UnusableCache

__all__ = ["AdvisorAbsent", "App", "UnknownPolicy", "UnusableCache", "UnusableRoutes", "running"]
