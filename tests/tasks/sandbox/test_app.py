import contextlib
import datetime
import ipaddress
import signal
import socket
import subprocess
import sys

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.sandbox import API

LOGIN = f"{API}/sec/v1.1.0/login"
KEYS = {"appId": "sandbox_muster_app_0000001", "secret": "sandbox-secret"}


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tasks.sandbox", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_says_one_line_and_ends_cleanly(number):
    process = start("--port", "0", "--devices", "1234")
    line = process.stdout.readline()
    assert line.startswith("Sandbox platform on http://127.0.0.1:")
    assert line.endswith("(application sandbox, 1,234 devices)\n")
    process.send_signal(number)
    out, errors = process.communicate(timeout=10)
    assert (process.returncode, out, errors) == (0, "", "")


def test_a_taken_port_is_one_sentence_and_code_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start("--port", port)
        out, errors = process.communicate(timeout=10)
    assert (process.returncode, out) == (1, "")
    assert errors.count("\n") == 1
    assert f"127.0.0.1:{port}" in errors


def test_a_wrong_option_is_told_without_a_traceback():
    process = start("--devices", "5000000")
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "1,000,000" in errors
    assert "Traceback" not in errors


def test_the_sandbox_imports_nothing_of_ours():
    code = "import sys, tasks.sandbox; print([m for m in sys.modules if m.split('.')[0] in ('django', 'celery')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def certificate(folder, name, issuer=None):
    """A certificate signed by `issuer` or by itself; returns its files and what signs with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signer_name = issuer or (key, subject)
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(signer, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return (str(cert), str(private)), (key, subject)


@contextlib.contextmanager
def serving(*arguments):
    """A sandbox in a process of its own; yields its address."""
    with start("--port", "0", *arguments) as process:
        try:
            yield process.stdout.readline().split()[3]
        finally:
            process.terminate()


def test_https_asks_for_a_client_certificate(tmp_path):
    (ca, _), signer = certificate(tmp_path, "ca")
    (cert, key), _ = certificate(tmp_path, "server", signer)
    client, _ = certificate(tmp_path, "client", signer)
    with serving("--tls-cert", cert, "--tls-key", key, "--client-ca", ca) as url:
        assert url.startswith("https://")
        assert requests.post(url + LOGIN, data=KEYS, verify=ca, cert=client, timeout=5).status_code == 200
        with pytest.raises(requests.ConnectionError):
            requests.post(url + LOGIN, data=KEYS, verify=ca, timeout=5)


def test_https_without_a_client_ca_asks_for_none(tmp_path):
    (cert, key), _ = certificate(tmp_path, "alone")
    with serving("--tls-cert", cert, "--tls-key", key) as url:
        assert requests.post(url + LOGIN, data=KEYS, verify=cert, timeout=5).status_code == 200


def test_a_missing_certificate_is_one_sentence(tmp_path):
    process = start("--port", "0", "--tls-cert", str(tmp_path / "none.pem"))
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert errors.count("\n") == 1
