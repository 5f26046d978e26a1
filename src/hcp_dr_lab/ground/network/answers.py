"""Resolve DNS names step by step: every step comes from a source, and CNAMEs are followed.

A source is a function from a question to a Step. Zones, cache and cluster names are sources, so sources can be
combined, and all can be tested without a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset

MAX_CHAIN_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A source's answer for a name: records of the requested type, a CNAME, or a negative answer (with `authority`)."""

    rcode: Rcode
    records: RRset | None = None
    authority: RRset | None = None


Source = Callable[[Name, RdataType], Step]

FAILED = Step(Rcode.SERVFAIL)


@dataclass(frozen=True, slots=True)
class Answer:
    rcode: Rcode
    records: tuple[RRset, ...] = ()
    authority: RRset | None = None


def records(name: Name, ttl: int, kind: str, *values: str) -> RRset:
    """Make a record set. Names in `values` are fully qualified, with or without the final dot, as Route53 accepts
    them."""
    return dns.rrset.from_text_list(name, ttl, "IN", kind, values, origin=dns.name.root, relativize=False)


def follow(source: Source, name: Name, kind: RdataType) -> Answer:
    """Query the source for the name, then for the targets of CNAMEs."""
    found: list[RRset] = []
    for _ in range(MAX_CHAIN_LENGTH):
        step = source(name, kind)
        if step.records is None:
            return Answer(step.rcode, tuple(found), step.authority)
        found.append(step.records)
        if step.records.rdtype == kind or step.records.rdtype != RdataType.CNAME:
            return Answer(Rcode.NOERROR, tuple(found))
        name = step.records[0].target
    return Answer(Rcode.SERVFAIL, tuple(found))


def respond(query: bytes, source: Source, *, authoritative: bool, over_udp: bool) -> bytes | None:
    """Return the response to a DNS message, or None if the message must not be answered."""
    try:
        message = dns.message.from_wire(query)
    except (dns.exception.DNSException, ValueError):
        return None
    if message.flags & dns.flags.QR:
        return None
    response = dns.message.make_response(message, recursion_available=not authoritative)
    if message.opcode() != dns.opcode.QUERY or len(message.question) != 1:
        response.set_rcode(Rcode.NOTIMP)
        return response.to_wire()
    question = message.question[0]
    answer = follow(source, question.name, question.rdtype)
    response.set_rcode(answer.rcode)
    response.answer = list(answer.records)
    response.authority = [] if answer.authority is None else [answer.authority]
    if authoritative:
        response.flags |= dns.flags.AA
    try:
        return response.to_wire(max_size=_longest(message) if over_udp else 65535)
    except dns.exception.TooBig:
        short = dns.message.make_response(message, recursion_available=not authoritative)
        short.flags |= dns.flags.TC
        return short.to_wire()


def _longest(message: dns.message.Message) -> int:
    return max(512, message.payload) if message.edns >= 0 else 512
