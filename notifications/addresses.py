"""Addresses of peers: what one is, whatever kind of socket has named it."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse(text: str) -> Address:
    """The address, without its zone. A socket for both families names an IPv4 peer ::ffff:10.0.0.1: that is 10.0.0.1.

    Raises ValueError for what is none.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(text: str) -> bool:
    """Whether it is an address of this machine's own loopback; False for what is no address."""
    try:
        return parse(text).is_loopback
    except ValueError:
        return False
