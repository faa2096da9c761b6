"""C31: who may push, judged by the peer or by what an exact number of our own proxies noted, and by nothing else."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from django.test import Client

from dashboard.sources import allowed, source
from tasks.models import Callback, Task

PEER = "10.0.0.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "", PEER),
        (0, "1.2.3.4", PEER),  # nobody is believed
        (1, "1.2.3.4", "1.2.3.4"),
        (1, "9.9.9.9, 1.2.3.4", "1.2.3.4"),  # the first one the sender wrote itself
        (1, " 9.9.9.9 ,1.2.3.4 ", "1.2.3.4"),
        (2, "9.9.9.9, 1.2.3.4, 10.0.0.8", "1.2.3.4"),
        (2, "10.0.0.8", ""),  # it did not pass both
        (1, "", ""),
    ],
)
def test_c31_only_our_own_proxies_are_believed(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXIES = proxies
    assert source(PEER, forwarded) == expected


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("10.1.2.3, 10.1.2.3", False),
        ("10.1.2.3:80", False),
        ("nobody", False),
    ],
)
def test_c31_an_address_is_in_one_of_the_networks_or_refused(settings, address, may):
    settings.CALLBACK_SOURCES = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("2001:db8::/32")]
    assert allowed(address) is may


def test_c31_without_a_list_everybody_may():
    assert allowed("203.0.113.9")
    assert allowed("")


def test_c31_a_spoofed_header_opens_nothing(settings, client: Client, make_task: Callable[..., Task]) -> None:
    settings.CALLBACK_SOURCES, settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.1.0.0/16")], 1
    path = f"/callbacks/{make_task().callback_token}/"

    def push(forwarded: str) -> int:
        return client.post(
            path, b"{}", "application/json", headers={"X-Forwarded-For": forwarded}
        ).status_code

    assert push("203.0.113.9") == 403
    assert push("10.1.2.3, 203.0.113.9") == 403
    assert not Callback.objects.exists()
    assert push("203.0.113.9, 10.1.2.3") == 200
    assert Callback.objects.get().remote_address == "10.1.2.3"
