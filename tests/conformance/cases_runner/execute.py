"""Runs the steps of a case against a target and says what was not as expected."""
import concurrent.futures
import gzip
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from . import compare, grpc_client, http_client
from .servers import NotPossible, Server
from .syntax import PROFILES, Case, Expectation, ServerSpec, Step, Value
from .tfrecord import framed

REPEATED = re.compile(rb"@\{(.+?)\*(\d+)\}")
START_SECONDS = 20
WAITING_SECONDS = 1.5
LOG_SECONDS = 5
REST_SECONDS = 30
POLL_SECONDS = 0.03


@dataclass
class Context:
    """Where a case runs: the target, the server that answers now, and what the @PLACES@ stand for."""

    target: object
    server: Server | None
    places: dict[str, str]
    profile: str = "baton"
    is_shared: bool = False
    answers: list = field(default_factory=list)

    def bytes(self, value: Value) -> bytes:
        data = value.data
        for name, place in self.places.items():
            data = data.replace(b"@" + name.encode() + b"@", place.encode())
        return REPEATED.sub(lambda match: match[1] * int(match[2]), data)

    def text(self, value: Value) -> str:
        return self.bytes(value).decode("utf-8", "surrogateescape")

    def fill(self, words: str) -> str:
        return self.text(Value(words.encode()))


@dataclass
class Failure:
    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


# ------------------------------------------------------------------------------------------------ what was expected


def check(step: Step, expectation: Expectation, seen: dict, context: Context) -> str | None:
    """What of an observation is not as expected, None if all is."""
    key, mode = expectation.key, expectation.mode
    if key == "response":
        return check_response(step, expectation, seen, context)
    expected = context.bytes(expectation.value)
    if key == "header":
        name, _, value = expected.decode().partition(": ")
        values = [v for n, v in seen["headers"] if n == name.lower()]
        return None if value in values else f"header {name}: expected {value!r}, observed {values}"
    if key == "no-header":
        found = [v for n, v in seen["headers"] if n == expected.decode().lower()]
        return f"header {expected.decode()}: expected none, observed {found}" if found else None
    if key == "json":
        try:
            body = compare.parse_json(seen["body"])
        except ValueError:
            return f"body: expected JSON, observed {compare.shortened(seen['body'])}"
        found = compare.json_difference(compare.parse_json(expected), body, mode == "approximately")
        return f"body: {found}" if found else None
    if key in ("error", "page"):
        if key == "error" and mode:
            found = compare.text_difference(expected, error_message(seen["body"]), mode)
        elif key == "error":
            found = compare.text_difference(compare.error_document(expected), seen["body"], "")
        else:
            found = compare.text_difference(compare.html_page(*expected.decode().split(" ", 1)), seen["body"], "")
        return f"body: {found}" if found else None
    if key in ("stdout", "stderr"):
        return check_log(key, expected, seen[key], mode)
    if key == "answer":
        expected = http_client.with_line_ends(expected) if not mode else expected
        found = compare.text_difference(expected, seen["answer"], mode)
        return f"answer: {found}" if found else None
    if key == "body":
        found = compare.text_difference(expected, seen["body"], mode)
        return f"body: {found}" if found else None
    observed = str(seen.get(key, "")) if not isinstance(seen.get(key), bytes) else seen[key].decode("utf-8", "surrogateescape")
    found = check_word(key, expected, observed, mode)
    return found + also_seen(seen) if found and key in ("code", "status") else found


def also_seen(seen: dict) -> str:
    """The text that came with an unexpected code."""
    text = seen.get("details") or seen.get("body", b"")
    return f" with {compare.shortened(text)}" if text else ""


def check_word(key: str, expected: bytes, observed: str, mode: str) -> str | None:
    if mode:
        found = compare.text_difference(expected, observed.encode("utf-8", "surrogateescape"), mode)
        return f"{key}: {found}" if found else None
    text = expected.decode("utf-8", "surrogateescape")
    choices = text.split(" or ") if key in ("code", "status", "exit") else [text]
    return None if observed in choices else f"{key}: expected {text!r}, observed {observed!r}"


def check_log(key: str, expected: bytes, text: bytes, mode: str) -> str | None:
    """Without a mode: one of the lines is that text."""
    if not mode:
        return None if expected in text.splitlines() else f"{key}: no line {expected!r} in {compare.shortened(text)}"
    found = compare.text_difference(expected, text, mode)
    return f"{key}: {found}" if found else None


def check_response(step: Step, expectation: Expectation, seen: dict, context: Context) -> str | None:
    if "response" not in seen:
        return None  # the code says it
    if isinstance(seen["response"], bytes):
        return f"response: {seen['response']!r} is of an unknown type"
    expected = compare.parse_text(context.text(expectation.value), type(seen["response"]))
    found = compare.message_difference(expected, seen["response"], expectation.mode)
    return f"response: {found}" if found else None


def error_message(body: bytes) -> bytes:
    try:
        return compare.parse_json(body)["error"].encode("latin-1")
    except (ValueError, KeyError, TypeError):
        return body


def failures(step: Step, seen: list[dict], context: Context, profile: str | None = None) -> list[Failure]:
    found = []
    for expectation in expectations(step, profile or context.profile):
        for one in seen:
            if text := check(step, expectation, one, context):
                found.append(Failure(expectation.line, text))
                break
    return found


def expectations(step: Step, profile: str) -> list[Expectation]:
    """As written, and that a call of which only a response is expected succeeds."""
    expected = step.expected(profile)
    if step.kind == "grpc" and not any(e.key == "code" for e in expected):
        expected = [Expectation("code", "", Value(b"OK"), step.line), *expected]
    return expected


# -------------------------------------------------------------------------------------------------- what is asked


def ask_grpc(step: Step, context: Context) -> list[dict]:
    method = grpc_client.Method(context.fill(step.words))
    request, raw = step.one("request"), step.one("request-bytes")
    message = grpc_client.serialize(method, context.text(request) if request else None, context.bytes(raw) if raw else None)
    over = context.text(step.one("over")) if "over" in step.fields else ""
    channel = context.server.channel(over)
    timeout = float(str(step.one("timeout", Value(b"30"))))
    metadata = [tuple(context.text(v).split(": ", 1)) for v in step.fields.get("metadata", [])]
    compression = grpc_client.COMPRESSION[str(step.one("compression", Value(b"")))]
    return at_once(step, lambda: grpc_client.ask(channel, method, message, timeout, metadata, compression))


def ask_rest(step: Step, context: Context) -> list[dict]:
    method, path = context.fill(step.words).split(" ", 1)
    headers = [tuple(context.bytes(v).split(b": ", 1)) for v in step.fields.get("header", [])]
    body = context.bytes(step.one("body")) if "body" in step.fields else None
    if "gzip-body" in step.fields:
        body = gzip.compress(context.bytes(step.one("gzip-body")), mtime=0)
    timeout = float(str(step.one("timeout", Value(str(REST_SECONDS).encode()))))
    address = context.server.rest_address
    if "over" in step.fields:
        address = f"{context.text(step.one('over'))}:{address.rpartition(':')[2]}"
    return at_once(step, lambda: http_client.request(address, method, path, headers, body, timeout))


def at_once(step: Step, question) -> list[dict]:
    count = int(str(step.one("at-once", Value(b"1"))))
    if count == 1:
        return [question()]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: question(), range(count)))


def ask_raw(step: Step, context: Context) -> list[dict]:
    answers = [e.value.data for e in step.expected(context.profile) if e.key == "answer"]
    count = max([len(http_client.HEAD_BEGINS.findall(a)) for a in answers] or [1])
    parts = [context.bytes(v) for v in step.fields["send"]]
    pause = float(str(step.one("pause", Value(b"0.05"))))
    return [http_client.exchange(context.server.rest_address, parts, max(count, 1), pause)]


def ask_start(step: Step, context: Context) -> list[dict]:
    if not context.target.can_start:
        raise NotPossible("starts a server (--binary)")
    words = context.fill(step.words).split()
    bare = words[:1] == ["bare"]
    if context.server is not None and not context.is_shared:
        context.server.close()
    context.is_shared = False
    process = context.target.launch(words[1:] if bare else words, bare, context.places["DIR"])
    context.server = process
    context.places |= process.places()
    expected = {e.key for e in step.expected(context.profile)}
    patience = float(str(step.one("within", Value(str(START_SECONDS).encode()))))
    seen: dict = {}
    if "exit" in expected:
        seen["exit"] = process.wait_end(patience)
    elif "waiting" in expected:
        time.sleep(WAITING_SECONDS)
        seen["waiting"] = "yes" if process.is_alive() and not process.is_ready() else "no"
    else:
        seen["serving"] = "yes" if process.wait_ready(patience) else "no"
    return [seen | logs(process)]


def logs(process) -> dict:
    return {"stdout": process.text(process.out), "stderr": process.text(process.err)}


def ask_log(step: Step, context: Context) -> list[dict]:
    if not hasattr(context.server, "err"):
        raise NotPossible("reads the server's log (--binary)")
    return [logs(context.server)]


def ask_signal(step: Step, context: Context) -> list[dict]:
    if not context.target.can_start:
        raise NotPossible("ends the server (--binary)")
    context.server.process.send_signal(getattr(signal, f"SIG{step.words}"))
    return [{"exit": context.server.wait_end(START_SECONDS)}]


QUESTIONS = {"grpc": ask_grpc, "rest": ask_rest, "raw": ask_raw, "start": ask_start, "log": ask_log, "signal": ask_signal}
# Steps that are asked again while the answer is not as expected, and for how long.
PATIENCE = {"log": LOG_SECONDS}


def ask(step: Step, context: Context) -> list[dict]:
    """Observations of a step; with `until SECONDS`, the first that are as expected, else the last."""
    patience = float(str(step.one("until"))) if "until" in step.fields else PATIENCE.get(step.kind, 0)
    deadline = time.monotonic() + patience
    while True:
        try:
            seen = QUESTIONS[step.kind](step, context)
        except (ConnectionError, TimeoutError, OSError) as error:
            if time.monotonic() >= deadline:
                raise
            seen = None
        if seen is not None and (not failures(step, seen, context) or time.monotonic() >= deadline):
            return seen
        time.sleep(POLL_SECONDS)


# ------------------------------------------------------------------------------------------------------ file steps


def publish(source: pathlib.Path, goal: pathlib.Path) -> None:
    """Copies elsewhere, then renames, as a publisher should."""
    goal.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy(source, goal)
        return
    aside = goal.parent.parent / f".incoming-{goal.name}"
    shutil.copytree(source, aside)
    aside.rename(goal)


def remove(path: pathlib.Path) -> None:
    """Renames away, then deletes: a poll sees the whole of it or nothing."""
    if path.is_file():
        path.unlink()
        return
    aside = path.parent.parent / f".outgoing-{path.name}"
    path.rename(aside)
    shutil.rmtree(aside)


def change_files(step: Step, context: Context) -> None:
    words = context.fill(step.words)
    paths = [pathlib.Path(word) for word in words.split()]
    if step.kind == "copy":
        publish(*paths)
    elif step.kind == "move":
        os.rename(*paths)
    elif step.kind == "remove":
        remove(*paths)
    elif step.kind == "mkdir":
        paths[0].mkdir(parents=True)
    elif step.kind == "write":
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        aside = paths[0].with_name(paths[0].name + ".new")
        aside.write_bytes(context.bytes(step.one("text", Value(b""))))
        aside.rename(paths[0])
    elif step.kind == "warmup":
        write_warmup(step, context, paths[0])
    elif step.kind == "wait":
        time.sleep(float(words))
    elif step.kind == "command":
        subprocess.run(words, shell=True, check=True, cwd=context.places["DIR"], capture_output=True)


def write_warmup(step: Step, context: Context, version: pathlib.Path) -> None:
    """`record { a PredictionLog }` once for each record; `bytes` puts a record of any bytes."""
    cls = compare.message_class("tensorflow.serving.PredictionLog")
    records = [framed(compare.parse_text(context.text(v), cls).SerializeToString()) for v in step.fields.get("record", [])]
    records += [framed(context.bytes(v)) for v in step.fields.get("bytes", [])]
    (version / "assets.extra").mkdir(parents=True, exist_ok=True)
    (version / "assets.extra/tf_serving_warmup_requests").write_bytes(b"".join(records))


# ---------------------------------------------------------------------------------------------------------- a case


@dataclass
class Outcome:
    """passed: as expected of `profile`. failed. skipped: this target cannot be asked."""

    case: Case
    state: str
    profile: str = ""
    reasons: list[str] = field(default_factory=list)
    answers: list = field(default_factory=list)
    seconds: float = 0.0


def run_steps(block: Case | ServerSpec, context: Context) -> list[Failure]:
    """The failures of the first step that has some."""
    for step in block.steps:
        if step.kind not in QUESTIONS:
            change_files(step, context)
            continue
        seen = ask(step, context)
        context.answers.append((step, seen))
        if found := failures(step, seen, context):
            return found
    return []


def begin_server(spec: ServerSpec, target, server: Server, places: dict[str, str]) -> None:
    context = Context(target, server, places)
    if found := run_steps(spec, context):
        raise RuntimeError(f"the server {spec.name!r}: " + "; ".join(map(str, found)))


def run(case: Case, target, profile: str = "baton") -> Outcome:
    """Asks one target one case."""
    started = time.monotonic()
    if reason := case.never_on.get(profile) or profile == "2.12" and case.never_on.get("stock"):
        return Outcome(case, "skipped", profile, [str(reason)])
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"case-{case.name.rpartition('.')[2]}-"))
    context = Context(target, None, {**target.places(), "DIR": str(folder), "FILES": str(folder)}, profile)
    try:
        if case.is_alone and not target.can_start:
            raise NotPossible("needs a server of its own (--binary)")
        if case.server != "none":
            context.server = target.alone(case.server, folder) if case.is_fresh else target.shared(case.server)
            context.is_shared = not case.is_fresh
            context.places |= context.server.places()
            context.places["FILES"] = str(getattr(context.server, "files", folder))
        found = run_steps(case, context)
        state, reasons = ("failed", [str(f) for f in found]) if found else ("passed", [])
    except NotPossible as error:
        state, reasons = "skipped", [str(error)]
    except Exception as error:  # a case must not end the run
        state, reasons = "failed", [f"{type(error).__name__}: {error}"]
    finally:
        if not context.is_shared and context.server is not None:
            if hasattr(context.server, "err") and not context.server.err.closed and "state" in locals() and state == "failed":
                reasons.append("log: " + context.server.text(context.server.err).decode(errors="replace")[-1500:])
            context.server.close()
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(case, state, profile, reasons, context.answers, time.monotonic() - started)


def run_as_any(case: Case, target, profiles=PROFILES) -> Outcome:
    """Asks as the first profile of which the answers are as expected; a case that no profile explains has failed."""
    outcomes = []
    for profile in profiles:
        if profile != profiles[0] and not differs(case, profile):
            continue
        outcomes.append(run(case, target, profile))
        if outcomes[-1].state != "failed":
            return outcomes[-1]
    return outcomes[0]


def differs(case: Case, profile: str) -> bool:
    return profile in case.never_on or any(e.profile == profile for step in case.steps for e in step.expectations)
