"""Our SSHSIG code beside raw Ed25519, the `sshsig` library and ssh-keygen: ``python -m benchmarks.signatures``.

Rates are measured in turn, round by round, in this process, over the same key and bytes; a ratio is the median over the
rounds. Then what each of them accepts that is not exactly one signature. docs/explanation/signatures.md draws on it.
"""

from __future__ import annotations

import base64
import inspect
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import requires, version
from pathlib import Path
from tempfile import TemporaryDirectory

import cryptography
import sshsig as library
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from migrate_flow.signing import sshsig as ours
from migrate_flow.signing.private_key import private_text, public_text
from migrate_flow.signing.public_key import pack

ROUNDS = 25
SECONDS_OF_A_TURN = 0.05
SSH_KEYGEN = shutil.which("ssh-keygen")
PERSON = "ada@example.com"
MESSAGE = b'{"_type":"https://in-toto.io/Statement/v1"}'.ljust(1000, b" ")  # as long as an entry's statement is

Call = Callable[[], object]


def rates(calls: dict[str, Call]) -> dict[str, list[float]]:
    """Calls a second, by round; one turn of each comes first and isn't counted."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            done, start = 0, time.perf_counter()
            while (taken := time.perf_counter() - start) < SECONDS_OF_A_TURN or not done:
                call()
                done += 1
            if number:
                found[name].append(done / taken)
    return found


def show(title: str, calls: dict[str, Call]) -> None:
    """The first one is what the others are a ratio of."""
    found = rates(calls)
    base = next(iter(found.values()))
    print(f"\n{title}\n{'':32}{'a second':>10}{'ratio':>8}   low-high")
    for name, values in found.items():
        ratios = sorted(value / raw for value, raw in zip(values, base, strict=True))
        print(
            f"{name:32}{statistics.median(values):>10,.0f}{statistics.median(ratios):>8.3f}   "
            f"{ratios[0]:.3f}-{ratios[-1]:.3f}"
        )


def armour(raw: bytes) -> str:
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.encodebytes(raw).decode()}-----END SSH SIGNATURE-----\n"


def variants(signature: str) -> dict[str, str]:
    """Texts that are not the signature as it was made, each with the right cryptography in it."""
    lines = signature.splitlines()
    raw = base64.b64decode("".join(lines[1:-1]))
    head = raw.index(pack(b"migrate-flow")) + len(pack(b"migrate-flow"))
    return {
        "as it was made": signature,
        "text before and after it": f"approved\n{signature}approved\n",
        "bytes after its last field": armour(raw + b"trailing"),
        "a reserved field that is not empty": armour(raw[:head] + pack(b"x") + raw[head + 4 :]),
        "letters between that are no base64": signature.replace(lines[1], f"{lines[1]}!"),
    }


def accepts(verify: Call) -> str:
    try:
        verify()
    except Exception as error:  # whatever a verifier raises is a no
        return f"no ({type(error).__name__})"
    return "yes"


def stock(folder: Path, signature: str, public: str) -> None:
    (folder / "allowed").write_text(f"{PERSON} {public}\n")
    (folder / "sig").write_text(signature)
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", PERSON, "-n", ours.NAMESPACE, "-s", "sig"]
    subprocess.run(words, cwd=folder, input=MESSAGE, capture_output=True, check=True)


def stock_sign(folder: Path, name: str) -> str:
    words = ["ssh-keygen", "-Y", "sign", "-q", "-n", ours.NAMESPACE, "-f", name]
    return subprocess.run(words, cwd=folder, input=MESSAGE, capture_output=True, check=True).stdout.decode()


def measure_rates(folder: Path, key: Ed25519PrivateKey) -> None:
    signature, public = ours.sign(key, MESSAGE), key.public_key()
    signed = b"SSHSIG" + pack(b"migrate-flow", b"", b"sha512", b"\0" * 64)  # as long as what is really signed
    raw = key.sign(signed)
    show(
        "verify, Ed25519",
        {
            "raw cryptography": lambda: public.verify(raw, signed),
            "ours": lambda: ours.verify(MESSAGE, signature),
            "sshsig library": lambda: library.check_signature(MESSAGE, signature, ours.NAMESPACE),
        },
    )
    signers: dict[str, Call] = {
        "raw cryptography": lambda: key.sign(signed),
        "ours": lambda: ours.sign(key, MESSAGE),
    }
    if SSH_KEYGEN:
        signers["ssh-keygen -Y sign, a process"] = lambda: stock_sign(folder, "ed25519")
    show("sign, Ed25519", signers)


def compare_answers(folder: Path, key: Ed25519PrivateKey) -> None:
    print(f"\n{'what is accepted':38}{'ours':24}{'sshsig library':28}ssh-keygen")
    rows = [(name, text, public_text(key)) for name, text in variants(ours.sign(key, MESSAGE)).items()]
    if SSH_KEYGEN:
        public = (folder / "ecdsa.pub").read_text().strip()
        rows.append(("an ECDSA signature", stock_sign(folder, "ecdsa"), public))
    for name, text, public in rows:
        answers = [
            accepts(lambda text=text: ours.verify(MESSAGE, text)),
            accepts(lambda text=text: library.check_signature(MESSAGE, text, ours.NAMESPACE)),
            accepts(lambda text=text, public=public: stock(folder, text, public)) if SSH_KEYGEN else "not here",
        ]
        print(f"{name:38}{answers[0]:24}{answers[1]:28}{answers[2]}")


def write_keys(folder: Path, key: Ed25519PrivateKey) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    texts = {
        "ed25519": private_text(key),
        "ecdsa": curve.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        "ecdsa.pub": curve.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    }
    for name, text in texts.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)


def main() -> None:
    default = inspect.signature(library.check_signature).parameters["namespace"].default
    print(
        f"Python {platform.python_version()}, cryptography {cryptography.__version__}; sshsig {version('sshsig')}: "
        f"needs {', '.join(requires('sshsig') or ['nothing'])}, its namespace is {default!r} if none is given"
    )
    key = Ed25519PrivateKey.generate()
    with TemporaryDirectory() as made:
        write_keys(Path(made), key)
        measure_rates(Path(made), key)
        compare_answers(Path(made), key)


if __name__ == "__main__":
    main()
