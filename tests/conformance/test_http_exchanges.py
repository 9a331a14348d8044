"""Replays the recorded raw HTTP exchanges: status line, headers in their order, body bytes and whether the connection
stays open."""
import json
import re
import socket

import pytest

from base_server import start_base_server
from recorded import OBSERVED, Exemption

EXCHANGES = json.loads((OBSERVED / "http.json").read_text())
OPEN = "<TimeoutError>"
# How long a silent connection must stay open to count as kept.
SILENCE_SECONDS = 0.3
DATE = re.compile(r"^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", re.M)


@pytest.fixture(scope="module")
def cors_server(baton_binary, tmp_path_factory):
    with start_base_server(tmp_path_factory.mktemp("cors"), "--rest_api_enable_cors_support=true") as server:
        yield server


def exchange(port: int, request: bytes, answers: int) -> str:
    """Sends `request` and reads until the connection closes or is silent after as many answers as expected."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        while True:
            complete = received.count(b"HTTP/1.") >= answers
            connection.settimeout(SILENCE_SECONDS if complete else 10)
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                return received.decode("latin-1") + OPEN
            if not chunk:
                return received.decode("latin-1") + "<closed>"
            received += chunk


def normalized(answer: str) -> list[str]:
    """Each answer's head line by line, then what follows it. The Date's value varies."""
    parts = []
    for part in re.split(r"(?=HTTP/1\.\d \d{3} )", DATE.sub("Date: now\r\n", answer)):
        head, _, body = part.partition("\r\n\r\n")
        status_line, *headers = head.split("\r\n")
        parts += [status_line, *headers, body]
    return parts


@pytest.mark.parametrize("name", EXCHANGES)
def test_answers_as_recorded(cors_server, name):
    exemption = Exemption.of("http", name)
    if exemption.skip:
        pytest.skip(exemption.skip)
    recorded = EXCHANGES[name] | (exemption.expect or {})
    request = recorded["request"]
    if rest := exemption.rest:
        request += rest["repeat"] * rest["times"] + rest["end"]

    ours = exchange(cors_server.rest_port, request.encode("latin-1"), recorded["answer"].count("HTTP/1."))

    assert normalized(ours) == normalized(recorded["answer"])
