"""Parses the addresses of peers."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse(text: str) -> Address:
    """Returns the address without its zone. Raises ValueError if it is not an address.

    A socket for both families calls the IPv4 peer 10.0.0.1 ::ffff:10.0.0.1; this returns 10.0.0.1.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(text: str) -> bool:
    """Whether it is a loopback address; False if it is not an address."""
    try:
        return parse(text).is_loopback
    except ValueError:
        return False
