"""A round of all roles, the same for every host: in the region a process, on the tabletop a part of the world."""

from __future__ import annotations

from collections.abc import Callable

from hcp_dr import errors
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.roles import ROLES
from hcp_dr_lab.standin.view import View


def play(
    view: Callable[[], View],
    perform: Callable[[Change], None],
    tell: Callable[[str], None],
    refusals: tuple[type[Exception], ...] = (),
) -> tuple[bool, bool]:
    """Whether anything was done, and whether anything failed.

    A change that fails ends the round of its role, because later changes may build on it; the next round decides anew.
    `refusals` are what `perform` may raise besides the errors of the product's ports.
    """
    acted = failed = False
    refused: tuple[type[Exception], ...] = (errors.HcpDrError, *refusals)
    seen = view()
    for role, decide in ROLES:
        changes = decide(seen)
        for change in changes:
            try:
                perform(change)
            except errors.NotFound:
                acted = True  # gone meanwhile: the next round sees it
            except (errors.Conflict, errors.AlreadyExists) as error:
                tell(f"{role}: {change}: decided on an old state: {error}")
                failed = True
                break
            except refused as error:
                tell(f"{role}: {change}: FAILED: {error}")
                failed = True
                break
            else:
                tell(f"{role}: {change}")
                acted = True
        if changes:
            seen = view()
    return acted, failed
