"""Keys and certificates made on the spot with the openssl program, and the files a server reads them from."""
import pathlib
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """PEM files of one key and its certificate."""
    key_file: pathlib.Path
    certificate_file: pathlib.Path

    @property
    def key(self) -> bytes:
        return self.key_file.read_bytes()

    @property
    def certificate(self) -> bytes:
        return self.certificate_file.read_bytes()


def _openssl(*arguments) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: pathlib.Path, name: str) -> Identity:
    """A certificate authority of its own."""
    made = Identity(folder / f"{name}.key", folder / f"{name}.crt")
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
             "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", made.key_file, "-out", made.certificate_file)
    return made


def issue(signer: Identity, folder: pathlib.Path, name: str, days: int = 2, key: str = "ec") -> Identity:
    """A certificate for localhost (or a client), signed by `signer`; expired with negative days."""
    made = Identity(folder / f"{name}.key", folder / f"{name}.crt")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["rsa:2048"]
    _openssl("req", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", made.key_file, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", signer.certificate_file, "-CAkey", signer.key_file, "-CAcreateserial",
             "-days", days, "-extfile", extensions, "-out", made.certificate_file)
    return made


def _literal(pem: bytes) -> str:
    """Adjacent string literals of a text-format message, a line each."""
    return "\n".join(f'  "{line}\\n"' for line in pem.decode().splitlines())


def ssl_config(identity: Identity, custom_ca: bytes = b"", client_verify: bool = False) -> str:
    """A text-format SSLConfig."""
    text = f"server_key:\n{_literal(identity.key)}\nserver_cert:\n{_literal(identity.certificate)}\n"
    if custom_ca:
        text += f"custom_ca:\n{_literal(custom_ca)}\n"
    return text + f"client_verify: {'true' if client_verify else 'false'}\n"
