"""An interrupted listing goes on where it stopped, for a while."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.aws.paging import MAX_AGE, Listing
from hcp_dr.errors import AwsBusy, AwsDenied, AwsError

PAGES: dict[Any, tuple[list[str], Any]] = {None: (["a", "b"], 1), 1: (["c"], 2), 2: (["d"], None)}


class Service:
    """Raises what stands in `errors` instead of the page at that mark, once."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.errors: dict[Any, type[AwsError]] = {}
        self.seconds = 0.0
        self.listing = Listing(self.ask, now=lambda: self.seconds)

    def ask(self, mark: Any) -> tuple[list[str], Any]:
        self.asked.append(mark)
        error = self.errors.pop(mark, None)
        if error:
            raise error(service="Route53", operation="List", object="Z1", reason="by the test")
        return PAGES[mark]


def test_each_listing_is_a_new_one() -> None:
    service = Service()
    assert service.listing.read_all() == service.listing.read_all() == ("a", "b", "c", "d")
    assert service.asked == [None, 1, 2] * 2


def test_it_goes_on_from_the_page_that_was_refused() -> None:
    service = Service()
    service.errors = {2: AwsBusy}
    with pytest.raises(AwsBusy):
        service.listing.read_all()
    assert service.listing.read_all() == ("a", "b", "c", "d")
    assert service.asked == [None, 1, 2, 2]
    assert service.listing.read_all() == ("a", "b", "c", "d")
    assert service.asked[4:] == [None, 1, 2], "only once"


@pytest.mark.parametrize(
    ("errors", "seconds"), [({2: AwsDenied}, 0.0), ({2: AwsBusy}, MAX_AGE + 1), ({None: AwsBusy}, 0.0)]
)
def test_it_begins_anew(errors: dict[Any, type[AwsError]], seconds: float) -> None:
    """After what does not pass, after too long, and where nothing was seen yet."""
    service = Service()
    service.errors = dict(errors)
    with pytest.raises(AwsError):
        service.listing.read_all()
    service.asked.clear()
    service.seconds += seconds
    assert service.listing.read_all() == ("a", "b", "c", "d")
    assert service.asked == [None, 1, 2]
