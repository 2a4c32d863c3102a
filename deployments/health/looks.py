"""Which environments one scheduled run looks at.

A look at one environment is mostly the start of a process. Where more of them are looked at as often than are
worth a process each, one run looks at several, one after another.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

SEVERAL = "several-"
"""How a group's name begins; its rhythm and a number follow."""
ALONE = 4
"""As many environments with one rhythm have a schedule each; they run side by side."""
TOGETHER = 10
"""Environments of one run: with hosts that do not answer it is still over before the next one is due."""


@dataclass(frozen=True)
class Group:
    """Environments that one run looks at. every: seconds. paused: a person paused its schedule."""

    name: str
    every: int
    environments: tuple[str, ...]
    paused: bool = False


@dataclass(frozen=True)
class Looks:
    """Names of environments with a schedule of their own, and the groups of all others."""

    alone: frozenset[str]
    groups: tuple[Group, ...]

    def group_of(self, environment: str) -> str:
        """The name of its group; empty where it has a schedule of its own, or none."""
        return next((g.name for g in self.groups if environment in g.environments), "")


def divide(every: Mapping[str, int], paused: Collection[str], groups: Collection[Group]) -> Looks:
    """Divide environments into those alone and groups, with as few changes of `groups` as possible.

    every: seconds between two looks at an environment that is set up here, 0 for none. One that is in a group
    and not in `every` is another machine's, and stays. paused: those whose own schedule a person paused; it
    stays. A rhythm with groups keeps them, however few environments are left.
    """
    kept = _kept(every, paused, groups)
    alone = set(paused)
    for seconds in sorted(set(every.values()) - {0}):
        of_this = [group for group in kept if group.every == seconds]
        grouped = {name for group in of_this for name in group.environments}
        new = sorted(n for n in every if every[n] == seconds and n not in {*paused, *grouped})
        if not of_this and len(new) <= ALONE:
            alone.update(new)
            continue
        kept = [group for group in kept if group not in of_this] + _filled(of_this, seconds, new)
    return Looks(frozenset(alone), tuple(sorted(filter(_has_any, kept), key=lambda g: g.name)))


def _kept(
    every: Mapping[str, int], paused: Collection[str], groups: Collection[Group]
) -> list[Group]:
    """The groups without environments that have another rhythm now, or a schedule of their own."""
    seen: set[str] = set(paused)
    kept = []
    for group in groups:
        stay = [n for n in group.environments if every.get(n, group.every) == group.every]
        stay = [n for n in dict.fromkeys(stay) if n not in seen]
        seen.update(stay)
        kept.append(replace(group, environments=tuple(stay)))
    return kept


def _filled(groups: list[Group], seconds: int, new: list[str]) -> list[Group]:
    """The groups with `new` in them, and in as many more as it takes."""
    filled = []
    for group in groups:
        # Prefect drops the parameters of a schedule that is paused: what is in no group was in this one.
        open_to = not group.paused or not group.environments
        room = TOGETHER - len(group.environments) if open_to else 0
        taken, new = new[:room], new[room:]
        filled.append(replace(group, environments=(*group.environments, *taken)))
    number = 1
    while new:
        name = f"{SEVERAL}{seconds}-{number}"
        number += 1
        if name not in {group.name for group in groups}:
            filled.append(Group(name, seconds, tuple(new[:TOGETHER])))
            new = new[TOGETHER:]
    return filled


def _has_any(group: Group) -> bool:
    return bool(group.environments)
