"""A round of all roles, the same for both hosts: a process in the region, and a part of the world on the tabletop."""

from __future__ import annotations

from collections.abc import Callable

from hcp_dr import errors
from hcp_dr_lab.standin.change import Change, TerminateInstance
from hcp_dr_lab.standin.roles import CONTROLLERS, ROLES
from hcp_dr_lab.standin.view import View


def play(
    view: Callable[[], View],
    perform: Callable[[Change], None],
    tell: Callable[[str], None],
    refusals: tuple[type[Exception], ...] = (),
) -> tuple[bool, bool]:
    """Run a round; return whether a change was made, and whether a change failed.

    A failed change ends the round of its role, because later changes may depend on it; the next round decides again.
    Nothing depends on a termination.
    `refusals` are exceptions that `perform` may raise besides the errors of the product's ports.
    """
    acted = failed = False
    refused: tuple[type[Exception], ...] = (errors.HcpDrError, *refusals)
    seen = view()
    for role, decide in ROLES:
        if role in CONTROLLERS and seen.controllers is not None:
            continue
        changes = decide(seen)
        for change in changes:
            try:
                perform(change)
            except errors.NotFound:
                acted = True  # already gone: the next round sees the new state
            except (errors.Conflict, errors.AlreadyExists) as error:
                tell(f"{role}: {change}: decided on an outdated state: {error}")
                failed = True
                break
            except refused as error:
                tell(f"{role}: {change}: FAILED: {error}")
                failed = True
                if not isinstance(change, TerminateInstance):
                    break
            else:
                tell(f"{role}: {change}")
                acted = True
        if changes:
            seen = view()
    return acted, failed
