"""Decisions and parameter packages in memory."""

import copy
from dataclasses import replace
from datetime import datetime

from stratopt_server.domain.decisions import Decision, ParameterPackage, Place
from stratopt_server.domain.ports import DecisionFilter, PackageFilter, Page
from stratopt_server.storage.memory.tables import Memory, cut, one_at_a_time

EPOCH = "memory"


@one_at_a_time
class MemoryDecisionStore:
    """Decisions by id."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def put(self, decision: Decision) -> None:
        """Store it, in place of one of the same id."""
        with self._memory.transaction():
            self._memory.tables.decisions[decision.id] = copy.deepcopy(decision)

    def get(self, decision_id: str) -> Decision | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._memory.tables.decisions.get(decision_id))

    def page(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        names = ("strategy_id", "symbol", "backtest_id", "outcome")
        rows = [
            row
            for row in self._memory.tables.decisions.values()
            if all(getattr(wanted, name) in (None, getattr(row, name)) for name in names)
        ]
        return cut(rows, page)


@one_at_a_time
class MemoryPackageStore:
    """Parameter packages, and the order in which they go out."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package."""
        last = self.last_place(now=now)
        return Place(last.epoch, last.seq + 1)

    def last_place(self, *, now: datetime) -> Place:  # noqa: ARG002 - the port's
        """Return the place of the newest package; seq 0 if there is none."""
        return Place(EPOCH, sum(package.approved for package in self._memory.tables.packages.values()))

    def add(self, package: ParameterPackage) -> None:
        """Store a draft, or an approved one at its place, in place of its draft if there is one."""
        with self._memory.transaction():
            self._memory.tables.packages[package.id] = copy.deepcopy(package)

    def get(self, package_id: str) -> ParameterPackage | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._memory.tables.packages.get(package_id))

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        rows = [
            row
            for row in self._memory.tables.packages.values()
            if wanted.strategy_id in (None, row.strategy_id)
            and wanted.symbol in (None, row.symbol)
            and row.approved == wanted.approved
        ]
        return cut(rows, page)

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        packages = self._memory.tables.packages.values()
        rows = [row for row in packages if row.approved and row.published_at is None]
        return copy.deepcopy(sorted(rows, key=lambda row: row.seq)[:limit])

    def mark_published(self, package_id: str, *, now: datetime) -> None:
        """Note that a package was handed to the socket."""
        with self._memory.transaction():
            packages = self._memory.tables.packages
            packages[package_id] = replace(packages[package_id], published_at=now)
