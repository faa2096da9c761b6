from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time

import pytest

from tasks.platform import line, transport
from tasks.platform.errors import NotAccepted, OutcomeUnknown
from tasks.platform.transport import call
from tests.tasks.platform.servers import (
    Authority,
    Server,
    connection_to,
    dripping,
    reset_after,
    saying,
    sending,
    silent,
)


def post(url: str, **options):
    files = {
        name: options.pop(name) for name in ("ca", "certificate", "key", "key_passphrase") if name in options
    }
    options.setdefault("headers", {"Authorization": "Bearer tok"})
    return call(connection_to(url, **files), "POST", "/path", body=b"body", **options)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_an_answer_comes_back_whole_whatever_its_status(serve):
    server = serve(saying(418, b"short and stout", "X-Pot: tea"))
    answer = post(server.url)
    assert (answer.status, answer.body, answer.headers["x-pot"]) == (418, b"short and stout", "tea")


def test_the_request_goes_out_once_with_its_own_bytes_and_closes_the_connection(serve):
    server = serve(saying(200, {}))
    call(
        connection_to(server.url + "/"),
        "POST",
        "/p",
        headers={"app_key": "a"},
        body=b"\xc3\xa4",
        query={"q": "1 2"},
    )
    (request,) = server.requests
    assert request.startswith(b"POST /p?q=1+2 HTTP/1.1\r\n")
    assert b"\r\napp_key: a\r\n" in request
    assert b"\r\nConnection: close\r\n" in request
    assert request.endswith(b"\r\n\r\n\xc3\xa4")


def test_every_call_opens_a_connection_of_its_own(serve):
    server = serve(saying(200, {}))
    post(server.url)
    post(server.url)
    assert server.connections == 2


def test_the_environment_and_the_netrc_have_no_say(serve, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{closed_port()}")
    server = serve(saying(200, {}))
    assert post(server.url).status == 200
    assert b"Bearer tok" in server.requests[0]


def test_the_intent_is_written_after_connecting_and_before_the_first_byte(serve):
    server = serve(saying(200, {}))
    seen = []

    def intent() -> None:
        time.sleep(0.1)
        seen.append((server.connections, list(server.requests)))

    post(server.url, before_sending=intent)
    assert seen == [(1, [])]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [ValueError("no"), ConnectionResetError(104, "no"), KeyboardInterrupt(), BrokenPipeError(32, "x")],
)
def test_what_the_intent_raises_comes_out_unchanged_and_nothing_is_sent(serve, failure):
    server = serve(saying(200, {}))

    def intent() -> None:
        raise failure

    with pytest.raises(type(failure)) as caught:
        post(server.url, before_sending=intent)
    assert caught.value is failure
    time.sleep(0.05)
    assert server.requests == []


def test_the_same_holds_over_tls(serve, authority):
    server = serve(saying(200, {}), authority.server_context("intent"))
    failure = OSError("database is gone")

    def intent() -> None:
        raise failure

    with pytest.raises(OSError, match="database is gone") as caught:
        post(server.url, ca=authority.ca, before_sending=intent)
    assert caught.value is failure
    assert server.requests == []


def test_an_intent_that_takes_too_long_sends_nothing(serve):
    server = serve(saying(200, {}))
    with pytest.raises(NotAccepted) as caught:
        post(server.url, before_sending=lambda: time.sleep(0.3), deadline=0.2)
    assert caught.value.sent is False
    time.sleep(0.05)
    assert server.requests == []


def never() -> None:
    raise AssertionError("the intent was written although nothing was reached")


def test_s05_a_refused_connection_is_not_accepted():
    with pytest.raises(NotAccepted, match="refuses connections") as caught:
        post(f"http://127.0.0.1:{closed_port()}", before_sending=never)
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)


def test_s05_an_unknown_host_is_not_accepted(monkeypatch):
    def nowhere(*_args, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(NotAccepted, match="host name is not known") as caught:
        post("https://platform.invalid:8743", before_sending=never)
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)


def test_s05_a_host_that_swallows_connections_is_not_accepted(monkeypatch):
    monkeypatch.setattr(transport, "CONNECT", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(NotAccepted, match="did not answer in time") as caught:
                post(f"http://127.0.0.1:{port}", before_sending=never)
        finally:
            for sock in waiting:
                sock.close()
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("expired", {"days": -1}, "has expired"),
        ("elsewhere", {"host": "127.0.0.2"}, "another IP address"),
        ("named", {"host": "platform.example"}, "another"),
    ],
)
def test_s06_a_certificate_that_is_not_good_is_not_accepted(serve, authority, name, options, sentence):
    server = serve(saying(200, {}), authority.server_context(name, **options))
    with pytest.raises(NotAccepted, match=sentence) as caught:
        post(server.url, ca=authority.ca, before_sending=never)
    assert (caught.value.reason, caught.value.sent) == ("tls", False)
    assert server.requests == []


def test_s06_a_certificate_for_another_host_name_says_so(serve, authority):
    server = serve(saying(200, {}), authority.server_context("wronghost", host="platform.example"))
    with pytest.raises(NotAccepted, match="another host name"):
        post(server.url.replace("127.0.0.1", "localhost"), ca=authority.ca, before_sending=never)


def test_s06_an_unknown_authority_is_not_accepted(serve, authority, tmp_path):
    server = serve(saying(200, {}), authority.server_context("good"))
    for ca in ("", Authority(tmp_path, "Another Authority").ca):
        with pytest.raises(NotAccepted, match="unknown authority") as caught:
            post(server.url, ca=ca, before_sending=never)
        assert caught.value.reason == "tls"
    assert server.requests == []


def test_s06_public_authorities_are_not_added_to_a_named_one(serve, authority, tmp_path, monkeypatch):
    public = Authority(tmp_path, "Public Authority")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", public.ca)
    monkeypatch.setattr("tasks.platform.connection.DEFAULT_CA_BUNDLE_PATH", public.ca)
    server = serve(saying(200, b"ok"), public.server_context("public"))
    assert post(server.url).body == b"ok"
    with pytest.raises(NotAccepted, match="unknown authority"):
        post(server.url, ca=authority.ca, before_sending=never)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_s06_tls_1_0_is_not_accepted(serve, authority):
    context = authority.server_context("old")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    server = serve(saying(200, {}), context)
    with pytest.raises(NotAccepted, match="could not agree") as caught:
        post(server.url, ca=authority.ca, before_sending=never)
    assert (caught.value.reason, caught.value.sent) == ("tls", False)


def test_a_private_authority_is_trusted_when_it_is_named(serve, authority):
    server = serve(saying(200, b"ok"), authority.server_context("trusted"))
    assert post(server.url, ca=authority.ca).body == b"ok"


def test_a_platform_that_asks_for_a_certificate_gets_it(serve, authority):
    context = authority.server_context("mutual")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=authority.ca)
    server = serve(saying(200, b"ok"), context)
    certificate, key = authority.issue("client", passphrase="open sesame")
    files = {"ca": authority.ca, "certificate": certificate, "key": key}
    assert post(server.url, **files, key_passphrase="open sesame").body == b"ok"
    with pytest.raises(NotAccepted, match="certificate files") as caught:
        post(server.url, **files, key_passphrase="wrong", before_sending=never)
    assert caught.value.reason == "tls"
    with pytest.raises(OutcomeUnknown) as unknown:
        post(server.url, ca=authority.ca)
    assert unknown.value.sent is True
    assert len(server.requests) == 1


def test_a_handshake_that_drips_is_cut_off_at_the_deadline(serve, monkeypatch):
    monkeypatch.setattr(transport, "CONNECT", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            sock, _ = listener.accept()
            with sock:
                # The head of a long TLS record, and then its content in drops.
                sock.sendall(b"\x16\x03\x03\x3f\xff")
                while not over.wait(0.05):
                    try:
                        sock.sendall(b"\x02")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        try:
            with pytest.raises(NotAccepted) as caught:
                post(f"https://127.0.0.1:{listener.getsockname()[1]}", before_sending=never, deadline=0.5)
        finally:
            over.set()
            thread.join()
    assert time.monotonic() - started < 1.5
    assert caught.value.sent is False


HEAD = b"HTTP/1.1 200 OK\r\n"
LOSSES = {
    "s01 silence": silent,
    "s02 a closed connection": sending(b""),
    "half a status line": sending(b"HTTP/1.1 2"),
    "not HTTP": sending(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "s03 half a body and a reset": reset_after(HEAD + b'Content-Length: 100\r\n\r\n{"taskID":"x'),
    "half a body and an end": sending(HEAD + b'Content-Length: 100\r\n\r\n{"taskID":"x"}'),
    "half a chunk": sending(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    "a broken chunk": sending(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "s04 a dripping status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "s04 dripping headers": dripping(HEAD, b"A: b\r\n"),
    "s04 dripping interim answers": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "s04 a dripping body": dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
    "s04 a dripping body of no announced length": dripping(HEAD + b"\r\n", b"x"),
    "s04 dripping chunks": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a hundred and one headers": sending(HEAD + b"A: b\r\n" * 101 + b"\r\n"),
    "not gzip": sending(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
def test_whatever_breaks_after_the_first_byte_leaves_the_outcome_unknown(serve, authority, name, secured):
    server = serve(LOSSES[name], authority.server_context(f"loss{time.monotonic_ns()}") if secured else None)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown) as caught:
        post(server.url, ca=authority.ca if secured else "", deadline=0.25)
    assert caught.value.sent is True
    assert caught.value.reason in ("no answer", "tls")
    assert time.monotonic() - started < 1.5
    assert len(server.requests) == server.connections == 1


def test_silence_ends_the_call_before_its_deadline(serve, monkeypatch):
    monkeypatch.setattr(line, "IDLE", 0.2)
    server = serve(silent)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="fell silent"):
        post(server.url, deadline=30)
    assert time.monotonic() - started < 2


def test_a_drip_says_that_time_was_up(serve):
    with pytest.raises(OutcomeUnknown, match="in time"):
        post(serve(dripping(HEAD, b"A: b\r\n")).url, deadline=0.3)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_s25_a_redirect_is_not_followed(serve, status):
    elsewhere: Server = serve(saying(200, {}))
    server = serve(saying(status, b"moved", f"Location: {elsewhere.url}/path"))
    assert post(server.url).status == status
    assert elsewhere.connections == 0
    assert len(server.requests) == 1


def test_a_redirect_with_an_endless_body_is_bounded_too(serve):
    server = serve(dripping(b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\n\r\n", b"x" * 65536, 0.001))
    with pytest.raises(OutcomeUnknown, match="larger than") as caught:
        post(server.url, limit=1 << 18, deadline=5)
    assert caught.value.reason == "too large"


def test_s26_an_announced_5_gb_are_not_read(serve):
    server = serve(dripping(HEAD + b"Content-Length: 5000000000\r\n\r\n", b"x" * 65536, 0.0001))
    with pytest.raises(OutcomeUnknown, match="larger than") as caught:
        post(server.url, deadline=5)
    assert (caught.value.reason, caught.value.status, caught.value.sent) == ("too large", 200, True)


def test_s26_a_gzip_bomb_does_not_go_off(serve):
    bomb = gzip.compress(b"\0" * (64 << 20), 9)
    server = serve(sending(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb))
    with pytest.raises(OutcomeUnknown, match="larger than"):
        post(server.url, deadline=5)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 2\r\n\r\nok", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]
)
def test_an_answer_that_is_whole_counts_also_at_the_last_moment(serve, monkeypatch, framing):
    monkeypatch.setattr(line.Line, "late", property(lambda self: self.sent))
    assert post(serve(sending(HEAD + framing)).url).body == b"ok"
    with pytest.raises(OutcomeUnknown):
        post(serve(sending(HEAD + b"\r\nok")).url)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_a_platform_may_have_an_ipv6_address():
    with pytest.raises(NotAccepted, match=r"refuses connections|could not be reached"):
        post("http://[::1]:9", before_sending=never)


def test_a_body_of_exactly_the_limit_is_read(serve):
    assert len(post(serve(saying(200, b"x" * 1000)).url, limit=1000).body) == 1000


def test_a_large_request_reaches_a_slow_reader(serve):
    server = serve(saying(200, {}))
    call(connection_to(server.url), "POST", "/p", headers={}, body=b"x" * (8 << 20))
    assert len(server.requests[0]) > 8 << 20


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", " a", "", "\u4e2d", "a\0b"])
def test_a_header_that_cannot_be_sent_stops_the_call_before_it_connects(serve, value):
    server = serve(saying(200, {}))
    with pytest.raises(NotAccepted):
        post(server.url, headers={"Authorization": value}, before_sending=never)
    assert server.connections == 0


def test_plain_http_to_another_machine_is_not_even_tried():
    with pytest.raises(NotAccepted, match="https"):
        post("http://192.0.2.1:8743", before_sending=never)
