"""TLS and mutual TLS on both ports, against stock clients: who gets in, who does not, and certificates that change under load."""
import http.client
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import grpc
import pytest
import requests

from baton_server import BINARY, BatonServer, wait_until
from certificates import Identity, authority, issue, ssl_config
from stock_client import StockClient, half


class TlsServer(BatonServer):
    """As BatonServer, also when its REST port speaks TLS."""

    rest_tls = False

    def request(self, method, path, body=None, headers=None, timeout=30.0):
        if not self.rest_tls:
            return super().request(method, path, body, headers, timeout)
        connection = http.client.HTTPSConnection("127.0.0.1", self.rest_port, timeout=timeout,
                                                 context=ssl._create_unverified_context())
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


class SecureClient(StockClient):
    """The stock client on a secure channel."""

    def __init__(self, address: str, root: Identity, identity: Identity | None = None, options=()):
        super().__init__(address)
        self.channel.close()
        credentials = grpc.ssl_channel_credentials(root.certificate, identity and identity.key, identity and identity.certificate)
        self.channel = grpc.secure_channel(address, credentials, options=[("grpc.use_local_subchannel_pool", 1), *options])
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """Two authorities, "ca" and "other", and what they signed."""
    folder = tmp_path_factory.mktemp("pki")
    ca, other = authority(folder, "ca"), authority(folder, "other")
    return {"ca": ca, "other": other, "server": issue(ca, folder, "server"), "rsa": issue(ca, folder, "rsa", key="rsa"),
            "client": issue(ca, folder, "client"), "stranger": issue(other, folder, "stranger"),
            "next": issue(other, folder, "next"), "folder": folder}


@pytest.fixture
def model(models_dir):
    return ["--model_name=m", f"--model_base_path={models_dir}/half_plus_two"]


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    """Whole at once, as an operator should."""
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.rename(path)
    return path


def predict(client: StockClient) -> float:
    return half(client.predict("m", {"x": [2.0]}))


def refusal(client: StockClient) -> grpc.StatusCode:
    with client, pytest.raises(grpc.RpcError) as refused:
        client.predict("m", {"x": [2.0]}, timeout=5)
    return refused.value.code()


def served_certificate(port: int) -> str:
    """The certificate a new connection is shown."""
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as secure:
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))


def test_plain_text_is_the_default(baton_binary, model):
    with BatonServer(*model) as server:
        assert "Using InsecureServerCredentials" in server.log_text()


@pytest.mark.parametrize("kind", ["server", "rsa"])
def test_a_client_that_trusts_the_authority_is_served_and_others_fail_cleanly(baton_binary, model, pki, tmp_path, kind):
    config = write(tmp_path / "ssl.cfg", ssl_config(pki[kind]))
    with BatonServer(*model, f"--ssl_config_file={config}") as server:
        assert "Using SSL credentials" in server.log_text()
        with SecureClient(server.grpc_address, pki["ca"]) as client:
            assert predict(client) == 3.0
            assert refusal(SecureClient(server.grpc_address, pki["other"])) == grpc.StatusCode.UNAVAILABLE
            assert refusal(StockClient(server.grpc_address)) == grpc.StatusCode.UNAVAILABLE
            # A certificate nobody asked for does no harm.
            with SecureClient(server.grpc_address, pki["ca"], pki["stranger"]) as stranger:
                assert predict(stranger) == 3.0
            assert predict(client) == 3.0
        # REST stays plain text.
        assert server.post("/v1/models/m:predict", '{"instances":[2.0]}')[0] == 200


def test_large_messages_pass(baton_binary, model, pki, tmp_path):
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"]))
    with BatonServer(*model, f"--ssl_config_file={config}") as server:
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        with SecureClient(server.grpc_address, pki["ca"], options=unlimited) as client:
            answer = client.predict("m", {"x": [float(i % 1000) for i in range(3_000_000)]}, timeout=60)
            values = answer.outputs["y"].float_val
            assert len(values) == 3_000_000
            assert values[2_999_999] == 999 / 2 + 2


def test_mutual_tls_lets_in_whom_the_authority_signed(baton_binary, model, pki, tmp_path):
    expired = issue(pki["ca"], tmp_path, "expired", days=-1)
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"], custom_ca=pki["ca"].certificate, client_verify=True))
    with BatonServer(*model, f"--ssl_config_file={config}") as server:
        with SecureClient(server.grpc_address, pki["ca"], pki["client"]) as client:
            assert predict(client) == 3.0
            for identity in (None, pki["stranger"], expired):
                assert refusal(SecureClient(server.grpc_address, pki["ca"], identity)) == grpc.StatusCode.UNAVAILABLE
            assert predict(client) == 3.0
        assert "a TLS connection failed: peer did not return a certificate" in server.log_text()


def test_a_bundle_of_authorities_trusts_each(baton_binary, model, pki, tmp_path):
    bundle = pki["ca"].certificate + pki["other"].certificate
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"], custom_ca=bundle, client_verify=True))
    with BatonServer(*model, f"--ssl_config_file={config}") as server:
        for name in ("client", "stranger"):
            with SecureClient(server.grpc_address, pki["ca"], pki[name]) as client:
                assert predict(client) == 3.0


def test_the_unix_socket_speaks_tls_too(baton_binary, model, pki, tmp_path):
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"]))
    path = tmp_path / "s"
    with BatonServer(*model, f"--ssl_config_file={config}", f"--grpc_socket_path={path}") as server:
        with SecureClient(f"unix:{path}", pki["ca"], options=[("grpc.ssl_target_name_override", "localhost")]) as client:
            assert predict(client) == 3.0
        assert refusal(StockClient(f"unix:{path}")) == grpc.StatusCode.UNAVAILABLE
        assert server.process.poll() is None


def test_certificates_change_under_load_without_a_failed_call(baton_binary, model, pki, tmp_path):
    """Clients that know both authorities call all the time, on old and on new connections, while the file changes."""
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"]))
    both = tmp_path / "both.crt"
    both.write_bytes(pki["ca"].certificate + pki["other"].certificate)
    roots = Identity(both, both)
    with BatonServer(*model, f"--ssl_config_file={config}") as server:
        stop, failures, calls = threading.Event(), [], [0, 0]

        def call(index: int) -> None:
            kept = SecureClient(server.grpc_address, roots)
            try:
                while not stop.is_set():
                    assert predict(kept) == 3.0
                    with SecureClient(server.grpc_address, roots) as fresh:
                        assert predict(fresh) == 3.0
                    calls[index] += 2
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)
            finally:
                kept.channel.close()

        callers = [threading.Thread(target=call, args=(i,)) for i in range(2)]
        for caller in callers:
            caller.start()
        try:
            for identity in (pki["next"], pki["server"], pki["next"]):
                write(config, ssl_config(identity))
                wanted = identity.certificate.decode().strip()
                wait_until(lambda: served_certificate(server.grpc_port).strip() == wanted, "the new certificate is shown")
            before = list(calls)
            wait_until(lambda: all(now > then + 4 for now, then in zip(calls, before)) or failures, "calls go on")
        finally:
            stop.set()
            for caller in callers:
                caller.join(30)
        assert not failures
        with SecureClient(server.grpc_address, pki["other"]) as client:
            assert predict(client) == 3.0
        assert refusal(SecureClient(server.grpc_address, pki["ca"])) == grpc.StatusCode.UNAVAILABLE


def test_a_bad_file_changes_nothing_and_says_so(baton_binary, model, pki, tmp_path):
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"]))
    mismatch = Identity(pki["client"].key_file, pki["next"].certificate_file)
    with BatonServer(*model, f"--ssl_config_file={config}") as server:
        write(config, ssl_config(mismatch))
        wait_until(lambda: "server_key does not belong to the first certificate of server_cert" in server.log_text(),
                   "the reason is in the log")
        with SecureClient(server.grpc_address, pki["ca"]) as client:
            assert predict(client) == 3.0
        write(config, ssl_config(pki["next"]))
        wanted = pki["next"].certificate.decode().strip()
        wait_until(lambda: served_certificate(server.grpc_port).strip() == wanted, "the good file after it is used")


def test_rest_speaks_tls_with_a_file_of_its_own(baton_binary, model, pki, tmp_path):
    config = write(tmp_path / "rest.cfg", ssl_config(pki["server"]))
    server = TlsServer(*model, f"--rest_api_ssl_config_file={config}")
    server.rest_tls = True
    with server:
        url = f"https://localhost:{server.rest_port}/v1/models/m:predict"
        root = str(pki["ca"].certificate_file)
        with requests.Session() as session:
            for _ in range(3):
                answer = session.post(url, data='{"instances":[2.0]}', verify=root, timeout=10)
                assert answer.json() == {"predictions": [3.0]}
            big = session.post(url, json={"instances": [1.0] * 500_000}, verify=root, timeout=60)
            assert big.json()["predictions"] == [2.5] * 500_000
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(url, data="{}", verify=str(pki["other"].certificate_file), timeout=10)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"http://localhost:{server.rest_port}/v1/models/m", timeout=10)
        curl = subprocess.run(["curl", "-sS", "--cacert", root, "-d", '{"instances":[4.0]}', url], capture_output=True, text=True,
                              timeout=30, check=True)
        assert '"predictions": [4.0' in curl.stdout
        with StockClient(server.grpc_address) as client:  # gRPC stays plain text
            assert predict(client) == 3.0


def test_rest_asks_for_client_certificates_when_told(baton_binary, model, pki, tmp_path):
    config = write(tmp_path / "rest.cfg", ssl_config(pki["server"], custom_ca=pki["ca"].certificate, client_verify=True))
    server = BatonServer(*model, f"--rest_api_ssl_config_file={config}").launch()
    try:
        wait_until(lambda: "Exporting HTTP/REST API" in server.log_text(), "it serves")
        url = f"https://localhost:{server.rest_port}/v1/models/m"
        root = str(pki["ca"].certificate_file)
        own = (str(pki["client"].certificate_file), str(pki["client"].key_file))
        assert requests.get(url, verify=root, cert=own, timeout=10).status_code == 200
        with pytest.raises(requests.exceptions.ConnectionError):  # SSLError is one
            requests.get(url, verify=root, timeout=10)
    finally:
        server.kill()


def test_strangers_at_the_door_do_not_disturb_the_others(baton_binary, model, pki, tmp_path):
    """Garbage, handshakes that never end and plain HTTP, hundreds of them, while a client calls."""
    config = write(tmp_path / "ssl.cfg", ssl_config(pki["server"]))
    with BatonServer(*model, f"--ssl_config_file={config}", "--event_loops=1") as server:
        with SecureClient(server.grpc_address, pki["ca"]) as client:
            assert predict(client) == 3.0
            hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)  # a handshake, cut short
            doors = []
            try:
                for i in range(300):
                    door = socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10)
                    doors.append(door)
                    door.sendall((hello, os.urandom(200), b"GET / HTTP/1.1\r\n\r\n", b"")[i % 4])
                slowest = 0.0
                for _ in range(50):
                    started = time.monotonic()
                    assert predict(client) == 3.0
                    slowest = max(slowest, time.monotonic() - started)
                with SecureClient(server.grpc_address, pki["ca"]) as late:
                    assert predict(late) == 3.0
                assert slowest < 2.0
            finally:
                for door in doors:
                    door.close()
            assert predict(client) == 3.0


GRPC_TEXT = "Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server"


@pytest.mark.parametrize("flag,content,expected", [
    ("ssl_config_file", None, "Failed to start server. Error: NOT_FOUND: {path}; No such file or directory"),
    ("ssl_config_file", "", "Failed to start server. Error: INVALID_ARGUMENT: {path}; Invalid argument"),
    ("ssl_config_file", "garbage", "Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{path}'"),
    ("ssl_config_file", 'server_key: "a" server_cert: "b" client_verify: false', GRPC_TEXT),
    ("ssl_config_file", "# nothing", GRPC_TEXT),
    ("rest_api_ssl_config_file", "garbage", "Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{path}'"),
    ("rest_api_ssl_config_file", 'server_key: "a" server_cert: "b"',
     "Failed to start server. Error: INVALID_ARGUMENT: {path}: server_key holds no PEM block"),
], ids=["missing", "empty", "garbage", "no PEM", "no fields", "rest garbage", "rest no PEM"])
def test_files_that_cannot_be_used_end_the_start(baton_binary, model, tmp_path, flag, content, expected):
    path = tmp_path / "ssl.cfg"
    if content is not None:
        path.write_text(content)
    server = BatonServer(*model, f"--{flag}={path}").launch()
    assert server.wait_end() == 255
    log = server.log_text()
    assert expected.format(path=path) in log
    if content == "garbage":
        assert 'Error parsing text-format tensorflow.serving.SSLConfig: 1:8: Message type "tensorflow.serving.SSLConfig" has no ' \
               'field named "garbage".' in log
    if expected == GRPC_TEXT:
        assert "server_key" in log  # the reason


def test_alts_is_refused_with_the_reason(baton_binary, model):
    server = BatonServer(*model, "--use_alts_credentials").launch()
    assert server.wait_end() == 255
    assert re.search(r"Failed to start server\. Error: \w+: --use_alts_credentials.*--ssl_config_file", server.log_text())


def test_alts_and_ssl_exclude_each_other(baton_binary, model):
    server = BatonServer(*model, "--use_alts_credentials", "--ssl_config_file=x").launch()
    assert server.wait_end() == 255
    assert "INVALID_ARGUMENT: Either use_alts_credentials must be false or ssl_config_file must be empty." in server.log_text()


def test_no_shared_openssl_can_answer_for_an_engines_own(baton_binary):
    """TensorFlow's libraries look BoringSSL's functions up by OpenSSL's names; the program must not offer any."""
    dynamic = subprocess.run(["readelf", "--dynamic", "--wide", BINARY], capture_output=True, text=True, check=True).stdout
    assert "libssl" not in dynamic and "libcrypto" not in dynamic
    symbols = subprocess.run(["readelf", "--dyn-syms", "--wide", BINARY], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"\b(SSL|EVP|BIO|X509|CRYPTO)_\w+", symbols)
