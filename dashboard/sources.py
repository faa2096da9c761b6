"""Who sends a push, and who may: an optional list of networks, and an exact count of our own proxies."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def source(peer: str, forwarded: str) -> str:
    """The sender's address: the peer's, or what the outermost of our own proxies noted of its own peer.

    Whatever stands before that in ``forwarded`` (X-Forwarded-For) the sender wrote itself. "" when our proxies noted
    less than they should.
    """
    if not settings.TRUSTED_PROXIES:
        return peer
    noted = forwarded.split(",")
    return noted[-settings.TRUSTED_PROXIES].strip() if len(noted) >= settings.TRUSTED_PROXIES else ""


def allowed(address: str) -> bool:
    """May pushes come from there? Without a list of networks they may come from anywhere."""
    return not settings.CALLBACK_SOURCES or _is_in(address, tuple(settings.CALLBACK_SOURCES))


@lru_cache(1024)
def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in networks)
