"""TLS as the URL says, with certificates of an authority of our own.

The tests' PostgreSQL is built without TLS: something that ends TLS stands before it, as a pooler or a sidecar does.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

from migrate_flow.errors import LedgerError
from migrate_flow.ledger.store import create_store, open_store
from tests.support import postgres as support
from tests.support.builders import Scribe
from tests.support.postgres import SETTINGS, PostgresServer, database_name, unprivileged

SSL_REQUEST = struct.pack("!II", 8, 80877103)
_REFUSAL = b"SFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"
NO_PLAIN_TEXT = b"E" + struct.pack("!I", len(_REFUSAL) + 4) + _REFUSAL  # as PostgreSQL says it


@dataclass(frozen=True)
class Authority:
    """Signs certificates. root: its own, as a file."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate
    root: Path

    def issue(self, folder: Path, name: str) -> tuple[Path, Path]:
        """A certificate for a host or a user, and its key."""
        key = generate_private_key(SECP256R1())
        builder = _builder(name, self.certificate.subject, key)
        names = [x509.DNSName(name)] if name != "127.0.0.1" else [x509.IPAddress(ip_address(name))]
        certificate = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        paths[0].write_bytes(certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        paths[1].chmod(0o600)
        return paths


def _builder(name: str, issuer: x509.Name | None, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def authority(folder: Path, name: str) -> Authority:
    key = generate_private_key(SECP256R1())
    builder = _builder(name, None, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    root = folder / f"{name}.crt"
    root.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, root)


class Terminator:
    """Speaks TLS to a client, as PostgreSQL's protocol begins it, and passes on what it reads to the server's socket.

    versions: of TLS, one for each client that got through the handshake.
    """

    def __init__(self, server: Path, context: ssl.SSLContext) -> None:
        self.versions: list[str] = []
        self._server, self._context = server, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=30)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if client.recv(8) != SSL_REQUEST:
                client.sendall(NO_PLAIN_TEXT)
                return
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as secure, socket.socket(socket.AF_UNIX) as server:
                self.versions.append(str(secure.version()))
                server.connect(str(self._server))
                while True:
                    ready = [server] if not secure.pending() else [secure]
                    if not secure.pending():
                        ready, _, _ = select.select([secure, server], [], [])
                    for end, other in ((secure, server), (server, secure)):
                        if end in ready:
                            data = end.recv(65536)
                            if not data:
                                return
                            other.sendall(data)


@dataclass(frozen=True)
class Secured:
    """client: a certificate, and its key."""

    terminator: Terminator
    database: str
    right: Path
    wrong: Path
    client: tuple[Path, Path]

    def url(self, host: str = "127.0.0.1", **query: str | Path) -> str:
        asked = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return f"postgresql://postgres@{host}:{self.terminator.port}/{self.database}?{asked}"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("certificates")
    return authority(folder, "right"), authority(folder, "wrong")


@pytest.fixture(params=[False], ids=["no client certificate"])
def secured(
    request: pytest.FixtureRequest,
    authorities: tuple[Authority, Authority],
    postgres: PostgresServer,
    pg_url: str,
    tmp_path: Path,
) -> Iterator[Secured]:
    """Its parameter: whether clients need a certificate too."""
    right, wrong = authorities
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*right.issue(tmp_path, "127.0.0.1"))
    if request.param:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(right.root)
    terminator = Terminator(postgres.folder / ".s.PGSQL.5432", context)
    yield Secured(terminator, database_name(pg_url), right.root, wrong.root, right.issue(tmp_path, "postgres"))
    terminator.close()


def test_a_ledger_over_verified_tls(secured: Secured, tmp_path: Path) -> None:
    store = create_store(secured.url(sslmode="verify-full", sslrootcert=secured.right), tmp_path)
    scribe = Scribe(store)
    scribe.opens()
    scribe.created(artifacts=[bytes(100_000)])
    assert list(store.entries()) == scribe.entries
    assert set(secured.terminator.versions) == {"TLSv1.3"}


@pytest.mark.parametrize(
    ("query", "host", "problem"),
    [
        ({"sslmode": "verify-full", "sslrootcert": "wrong"}, "127.0.0.1", "certificate verify failed"),
        ({"sslmode": "verify-ca", "sslrootcert": "wrong"}, "127.0.0.1", "certificate verify failed"),
        ({"sslmode": "verify-full", "sslrootcert": "right"}, "localhost", "does not match host name"),
        ({"sslmode": "verify-full", "sslrootcert": "/nowhere/root.crt"}, "127.0.0.1", "does not exist"),
        ({"sslmode": "disable"}, "127.0.0.1", "no encryption"),
    ],
)
def test_a_server_that_can_not_prove_itself_is_not_spoken_to(
    secured: Secured, tmp_path: Path, query: dict[str, str], host: str, problem: str
) -> None:
    roots = {"right": str(secured.right), "wrong": str(secured.wrong)}
    url = secured.url(host, **{name: roots.get(value, value) for name, value in query.items()})
    with pytest.raises(LedgerError, match=f"the ledger's server can't be reached: .*{problem}") as raised:
        open_store(url, tmp_path)
    assert raised.value.exit_code == 4
    assert raised.value.hint


@pytest.mark.parametrize("secured", [True], ids=["client certificate"], indirect=True)
def test_a_certificate_of_the_client_s(secured: Secured, tmp_path: Path) -> None:
    query = {"sslmode": "verify-full", "sslrootcert": secured.right}
    with pytest.raises(LedgerError, match=r"can't be reached: .*certificate required"):
        create_store(secured.url(**query), tmp_path)
    certificate, key = secured.client
    create_store(secured.url(**query, sslcert=certificate, sslkey=key), tmp_path)


@pytest.fixture
def system_server(
    authorities: tuple[Authority, Authority], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """PostgreSQL from the system's packages, which speaks TLS itself."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "apt-get install postgresql"
    monkeypatch.setattr(support, "_reachable_programs", lambda _folder: found[-1])
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("PGPORT", str(port))  # for the server's own socket, whose URLs name no port
    settings = SETTINGS.replace("listen_addresses=''", f"listen_addresses=127.0.0.1 -c port={port}")
    right, _wrong = authorities
    with PostgresServer(settings) as server:
        data = server.folder / "data"
        for name, content in zip(("tls.crt", "tls.key"), right.issue(tmp_path, "127.0.0.1"), strict=True):
            _give(server, data / name, content)
        _give(server, data / "ca.crt", right.root)
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhostssl plain all 127.0.0.1/32 trust\nhostssl cert all 127.0.0.1/32 cert\n"
        )
        for name, value in (("cert_file", "tls.crt"), ("key_file", "tls.key"), ("ca_file", "ca.crt")):
            server.execute(f"ALTER SYSTEM SET ssl_{name} = '{value}'")
        server.execute("ALTER SYSTEM SET ssl = on")
        server.execute("SELECT pg_reload_conf()")
        for name in ("plain", "cert"):
            server.execute(f"CREATE DATABASE {name}")
        yield Server(port)


@dataclass(frozen=True)
class Server:
    port: int

    def url(self, database: str, **query: str | Path) -> str:
        asked = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=verify-full&{asked}"


def _give(server: PostgresServer, path: Path, content: Path) -> None:
    path.write_bytes(content.read_bytes())
    path.chmod(0o600)
    if identity := unprivileged():
        os.chown(path, identity["user"], identity["group"])


@pytest.mark.system
def test_a_server_that_speaks_tls_itself(
    system_server: Server, authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    right, wrong = authorities
    store = create_store(system_server.url("plain", sslrootcert=right.root), tmp_path)
    Scribe(store).opens()
    with store.read() as transaction:
        assert transaction.rows("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [("TLSv1.3",)]
    with pytest.raises(LedgerError, match="certificate verify failed"):
        open_store(system_server.url("plain", sslrootcert=wrong.root), tmp_path)
    with pytest.raises(LedgerError, match="certificate"):
        create_store(system_server.url("cert", sslrootcert=right.root), tmp_path)
    certificate, key = right.issue(tmp_path, "postgres")
    create_store(system_server.url("cert", sslrootcert=right.root, sslcert=certificate, sslkey=key), tmp_path)
