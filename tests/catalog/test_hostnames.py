"""Host names as users type them."""

import pytest

from apps.accounts.errors import Refused
from apps.catalog.hostnames import normalize, refuse_ours


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("www.example.com", "www.example.com"),
        (" WWW.Example.COM. ", "www.example.com"),
        ("müller.de", "xn--mller-kva.de"),
        ("MÜLLER.de", "xn--mller-kva.de"),
        ("straße.de", "xn--strae-oqa.de"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("xn--mller-kva.de", "xn--mller-kva.de"),
        ("a.b.c.d.example", "a.b.c.d.example"),
        ("1.example", "1.example"),
    ],
)
def test_a_name_is_kept_as_the_dns_has_it(typed: str, kept: str) -> None:
    assert normalize(typed) == kept


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "no host name"),
        ("example", "no host name"),
        ("https://www.example.com", "host name alone"),
        ("www.example.com/path", "host name alone"),
        ("www.example.com:8080", "port"),
        ("*.example.com", "wildcard"),
        ("127.0.0.1", "IP address"),
        ("::1", "IP address"),
        ("[::1]", "IP address"),
        ("1.2.3", "number"),
        ("-a.example.com", "no host name"),
        ("a_b.example.com", "no host name"),
        ("a..example.com", "no host name"),
        ("a b.example.com", "no host name"),
        ("a\n.example.com", "no host name"),
        ("a\0.example.com", "no host name"),
        ("../example.com", "host name alone"),
        ("xn--a.example\u202e.com", "no host name"),
        ("☃☃.example.com", "no host name"),
        ("a" * 64 + ".example.com", "no host name"),
        (".".join(["a" * 60] * 5), "253 characters"),
        ("ü." * 120 + "example", "no host name"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(Refused) as refusal:
        normalize(typed)
    assert why in refusal.value.message


@pytest.mark.parametrize(
    "name", ["paas.example.com", "hello.paas.example.com", "a.b.paas.example.com", "x.localhost"]
)
def test_the_servers_own_names_are_nobodys(name: str) -> None:
    with pytest.raises(Refused, match="belongs to this server"):
        refuse_ours(name, domain="paas.example.com")


@pytest.mark.parametrize("name", ["example.com", "www.example.com", "notpaas.example.com"])
def test_names_beside_them_are_free(name: str) -> None:
    refuse_ours(name, domain="paas.example.com")
