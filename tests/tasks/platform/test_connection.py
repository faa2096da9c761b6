from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tasks.platform.connection import Connection, check_connection_files, check_url, ssl_context


@pytest.mark.parametrize(
    "url",
    [
        "https://platform.example:8743",
        "https://platform.example",
        "https://10.0.0.1:8743/",
        "https://[2001:db8::1]:8743/base",
        "HTTPS://platform.example",
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "http://[::1]:8000",
    ],
)
def test_a_good_address_has_no_problem(url):
    assert check_url(url) is None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "https://"),
        ("platform.example:8743", "https://"),
        ("ftp://platform.example", "https://"),
        ("https://", "no host"),
        ("https://:8743", "no host"),
        ("https://platform.example:0", "port"),
        ("https://platform.example:99999", "not an address"),
        ("https://platform.example:x", "not an address"),
        ("https://[::1", "not an address"),
        ("https://user:pw@platform.example", "user name"),
        ("https://platform.example?x=1", "ends before"),
        ("https://platform.example#x", "ends before"),
        ("https://plat form.example", "blanks"),
        ("https://platform.example\n", "blanks"),
        ("https://plätform.example", "ASCII"),
        ("http://platform.example", "Plain http"),
        ("http://127.0.0.1.example", "Plain http"),
        ("http://localhost.example", "Plain http"),
        ("http://10.0.0.1", "Plain http"),
    ],
)
def test_a_bad_address_is_told_in_a_sentence(url, sentence):
    assert sentence in check_url(url)


def test_a_connection_shows_no_secret():
    connection = Connection("https://a", "app", "S3CRET", key_passphrase="PHRASE")
    assert "S3CRET" not in repr(connection)
    assert "PHRASE" not in repr(connection)


@pytest.mark.parametrize("with_ca", [True, False])
def test_verification_is_always_on_and_tls_is_new(authority, with_ca):
    context = ssl_context(Connection("https://a", "app", "s", ca=authority.ca if with_ca else ""))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_named_authority_is_the_only_one(authority):
    context = ssl_context(Connection("https://a", "app", "s", ca=authority.ca))
    assert len(context.get_ca_certs()) == 1
    assert len(ssl_context(Connection("https://a", "app", "s")).get_ca_certs()) > 50


def test_good_files_have_no_problem(authority):
    certificate, key = authority.issue("files")
    locked, locked_key = authority.issue("locked", passphrase="pass")
    assert check_connection_files("", "", "", "") == {}
    assert check_connection_files(authority.ca, certificate, key, "") == {}
    assert check_connection_files(authority.ca, locked, locked_key, "pass") == {}


def test_a_key_may_be_in_the_file_of_its_certificate(authority, tmp_path):
    certificate, key = authority.issue("together")
    both = tmp_path / "both.pem"
    both.write_text(Path(certificate).read_text() + Path(key).read_text())
    assert check_connection_files("", str(both), "", "") == {}


def test_problems_are_told_by_field(authority, tmp_path):
    certificate, key = authority.issue("one")
    _, other_key = authority.issue("two")
    locked, locked_key = authority.issue("three", passphrase="pass")
    text = tmp_path / "text.pem"
    text.write_text("hello")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    missing = str(tmp_path / "missing.pem")

    def problems(ca: str = "", certificate: str = "", key: str = "", passphrase: str = "") -> dict[str, str]:
        return check_connection_files(ca, certificate, key, passphrase)

    assert problems(missing, missing, missing) == dict.fromkeys(
        ("ca", "certificate", "key"), "There is no such file."
    )
    assert "cannot be read" in problems(str(tmp_path))["ca"]
    assert "no certificate in PEM form" in problems(str(text))["ca"]
    assert "can be read" in problems(str(broken))["ca"]
    assert "no certificate in PEM form" in problems(certificate=key, key=key)["certificate"]
    assert "no private key in PEM form" in problems(certificate=certificate, key=certificate)["key"]
    assert problems(key=key) == {"certificate": "A key needs its certificate."}
    assert problems("", certificate, other_key) == {"key": "This key does not belong to the certificate."}
    assert "cannot be read" in problems(certificate=certificate)["certificate"]
    for wrong in ("", "wrong"):
        assert problems("", locked, locked_key, wrong) == {
            "key_passphrase": "The key does not open with this passphrase."
        }
    assert problems("\0")["ca"] == "This is not a path."
