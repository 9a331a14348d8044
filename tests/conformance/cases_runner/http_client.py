"""HTTP/1.1 over a bare socket, so that a case decides about every byte it sends."""
import http.client
import re
import socket
import time

DATE = re.compile(rb"^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", re.MULTILINE)
HEAD_BEGINS = re.compile(rb"(?=HTTP/1\.[01] \d{3} )")
# How long a silent connection must stay open to count as kept.
SILENCE_SECONDS = 0.25
PATIENCE_SECONDS = 20


def connect(address: str, timeout: float = PATIENCE_SECONDS) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)


def request(address: str, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes | None,
            timeout: float) -> dict:
    """One question on a connection of its own: status, type, headers (names in lower case), body."""
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: " + address.encode()]
    head += [name + b": " + value for name, value in headers]
    if (body is not None or method == "POST") and not any(name.lower() == b"content-length" for name, _ in headers):
        head.append(b"Content-Length: %d" % len(body or b""))
    with connect(address, timeout) as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + (body or b""))
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        text = answer.read()
    names = [(name.lower(), value) for name, value in answer.getheaders()]
    types = [value for name, value in names if name == "content-type"]
    return {"status": answer.status, "type": types[0] if types else "", "headers": names, "body": text}


def exchange(address: str, parts: list[bytes], answers: int, pause: float) -> dict:
    """Sends `parts` one after the other with a pause between them, reads until the connection closes or is silent after so many answers."""
    received = b""
    with connect(address) as connection:
        for index, part in enumerate(parts):
            if index:
                time.sleep(pause)
            connection.sendall(part)
        while True:
            complete = len(HEAD_BEGINS.findall(received)) >= answers
            connection.settimeout(SILENCE_SECONDS if complete else PATIENCE_SECONDS)
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                return {"answer": without_date(received), "connection": "open"}
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                return {"answer": without_date(received), "connection": "closed"}
            received += chunk


def without_date(answer: bytes) -> bytes:
    return DATE.sub(b"Date: now\r\n", answer)


def with_line_ends(written: bytes) -> bytes:
    """An answer as a case file writes it (LF everywhere) with the CR LF of the heads."""
    out = []
    for part in HEAD_BEGINS.split(written):
        head, blank, body = part.partition(b"\n\n")
        if part.startswith(b"HTTP/1.") and b"\r\n" not in head:
            out.append(head.replace(b"\n", b"\r\n") + (b"\r\n\r\n" if blank else b"") + body)
        else:
            out.append(part)
    return b"".join(out)
