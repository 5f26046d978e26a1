"""How a name becomes an answer: one step at a time, each from a source, CNAMEs followed.

A source is a function from a question to a Step. The zones, the cache before them and the names of a cluster are
sources, so that each can stand before another, and all are tried without a socket.
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

LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Step:
    """What a source knows of a name: records of the type asked, or a CNAME, or that there are none (by `authority`)."""

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
    """Names in values are whole ones, with or without the last dot, as Route53 takes them."""
    return dns.rrset.from_text_list(name, ttl, "IN", kind, values, origin=dns.name.root, relativize=False)


def follow(source: Source, name: Name, kind: RdataType) -> Answer:
    """Ask the source for the name, then for what its CNAME points to, and so on."""
    found: list[RRset] = []
    for _ in range(LONGEST_CHAIN):
        step = source(name, kind)
        if step.records is None:
            return Answer(step.rcode, tuple(found), step.authority)
        found.append(step.records)
        if step.records.rdtype == kind or step.records.rdtype != RdataType.CNAME:
            return Answer(Rcode.NOERROR, tuple(found))
        name = step.records[0].target
    return Answer(Rcode.SERVFAIL, tuple(found))


def respond(query: bytes, source: Source, *, authoritative: bool, over_udp: bool) -> bytes | None:
    """The whole answer to a message from the wire; None where it deserves none."""
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
