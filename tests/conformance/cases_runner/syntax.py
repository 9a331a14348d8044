"""The .case format: reads files into cases and server configurations. tests/conformance/README.md describes it for writers."""
import pathlib
import re
from dataclasses import dataclass, field

PROFILES = ("baton", "stock", "2.12")
# What `expect` may ask of, by kind of step. Keys that answer the same question share a group: an expectation
# of a profile replaces the whole group.
ANSWER_KEYS = {
    "grpc": {"code": "code", "details": "details", "response": "response", "trailers": "trailers"},
    "rest": {"status": "status", "type": "type", "header": "header", "no-header": "header", "body": "body", "json": "body",
             "error": "body", "page": "body"},
    "raw": {"answer": "answer", "connection": "connection"},
    "start": {"exit": "end", "serving": "end", "waiting": "end", "stdout": "stdout", "stderr": "stderr"},
    "log": {"stderr": "stderr", "stdout": "stdout"},
    "signal": {"exit": "end"},
}
PLAIN_STEPS = {"copy", "move", "remove", "mkdir", "write", "warmup", "wait", "command"}
MODES = ("~", "has", "lacks", "approximately")


class CaseError(Exception):
    """A .case file that cannot be read; the text names file and line."""


@dataclass
class Value:
    """Text as written: literal bytes, not yet with placeholders filled in."""

    data: bytes
    quoted: bool = False

    def __str__(self) -> str:
        return self.data.decode("utf-8", "surrogateescape")


@dataclass
class Expectation:
    key: str
    mode: str
    value: Value
    line: int
    profile: str = "baton"


@dataclass
class Step:
    kind: str
    words: str
    line: int
    fields: dict[str, list[Value]] = field(default_factory=dict)
    expectations: list[Expectation] = field(default_factory=list)

    def one(self, name: str, default: Value | None = None) -> Value | None:
        return self.fields[name][-1] if name in self.fields else default

    def expected(self, profile: str) -> list[Expectation]:
        """What this step expects of a server of that profile: what is said for it replaces what is said for all."""
        groups: dict[str, list[Expectation]] = {}
        for layer in PROFILES[: PROFILES.index(profile) + 1]:
            said: dict[str, list[Expectation]] = {}
            for expectation in self.expectations:
                if expectation.profile == layer:
                    said.setdefault(ANSWER_KEYS[self.kind][expectation.key], []).append(expectation)
            groups |= said
        return [expectation for group in groups.values() for expectation in group]


@dataclass
class Block:
    """What a case and a server configuration have in common: a name, remarks and steps."""

    name: str
    file: str
    line: int
    steps: list[Step] = field(default_factory=list)


@dataclass
class Case(Block):
    proves: list[str] = field(default_factory=list)
    server: str = "base"
    is_fresh: bool = False
    why: str = ""
    decision: str = ""
    since: str = ""
    deviation: str = ""
    never_on: dict[str, str] = field(default_factory=dict)

    @property
    def is_alone(self) -> bool:
        """Whether the case needs a server that no other case sees."""
        return self.is_fresh or self.server == "none"


@dataclass
class ServerSpec(Block):
    like: str = ""
    flags: list[str] = field(default_factory=list)
    config: Value | None = None
    files: dict[str, Value] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)


ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\", "'": b"'", '"': b'"'}


def unescape(text: str, where: str) -> bytes:
    out, index = b"", 0
    while index < len(text):
        if text[index] != "\\":
            out += text[index].encode()
            index += 1
        elif text[index + 1] == "x":
            out += bytes([int(text[index + 2:index + 4], 16)])
            index += 4
        elif text[index + 1] in ESCAPES:
            out += ESCAPES[text[index + 1]]
            index += 2
        else:
            raise CaseError(f"{where}: unknown escape \\{text[index + 1]}")
    return out


class Reader:
    """Reads one file, line by line."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.lines = path.read_text().split("\n")
        self.index = 0
        self.defines: dict[str, str] = {}

    def where(self) -> str:
        return f"{self.path.name}:{self.index}"

    def fail(self, text: str) -> CaseError:
        return CaseError(f"{self.where()}: {text}")

    def next(self) -> str | None:
        """The next line that says something, without its line end."""
        while self.index < len(self.lines):
            line = self.lines[self.index].rstrip()
            self.index += 1
            if line and not line.lstrip().startswith("#"):
                return line
        return None

    def until(self, end: str) -> str:
        first = self.index
        while self.index < len(self.lines):
            if self.lines[self.index].rstrip() == end:
                self.index += 1
                return "\n".join(self.lines[first:self.index - 1])
            self.index += 1
        raise CaseError(f"{self.path.name}:{first}: no line {end!r} ends what begins here")

    def value(self, text: str, braces: bool) -> Value:
        """What `written` reads, with the file's own @NAMES@ filled in."""
        found = self.written(text, braces)
        for name, meaning in self.defines.items():
            found.data = found.data.replace(f"@{name}@".encode(), meaning.encode())
        return found

    def written(self, text: str, braces: bool) -> Value:
        """A quoted text, a here-document, a block in braces (for protobuf text) or the rest of the line."""
        if text.startswith("<<"):
            return Value(self.until(text[2:]).encode())
        if braces and text == "{":
            return Value(self.until("}").encode())
        if braces and text.startswith("{") and text.endswith("}"):
            return Value(text[1:-1].encode())
        if text[:1] in ("'", '"'):
            if len(text) < 2 or text[-1] != text[0]:
                raise self.fail("a quoted text ends on its line")
            return Value(unescape(text[1:-1], self.where()), quoted=True)
        if braces and text:
            raise self.fail(f"protobuf text stands in braces, not {text!r}")
        return Value(text.encode())


STEP_FIELDS = {
    "grpc": {"request", "request-bytes", "timeout", "metadata", "compression", "until", "at-once", "over"},
    "rest": {"header", "body", "gzip-body", "until", "at-once", "timeout", "over"},
    "raw": {"send", "pause"},
    "start": {"within"},
    "log": {"until"},
    "signal": set(),
    "write": {"text"}, "warmup": {"record", "bytes"},
}
PROTO_FIELDS = {"request", "record"}


class FileParser:
    """Turns one file into its blocks."""

    def __init__(self, path: pathlib.Path):
        self.reader = Reader(path)
        self.blocks: list[Case | ServerSpec] = []
        self.defaults: dict[str, str] = {}

    def parse(self) -> list[Case | ServerSpec]:
        while (line := self.reader.next()) is not None:
            word, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            if word == "default":
                name, _, value = rest.partition(" ")
                self.defaults[name] = value
            elif word == "define":
                name, _, value = rest.partition(" ")
                self.reader.defines[name] = value
            elif word == "case":
                self.blocks.append(self.new_case(rest))
            elif word == "server" and not self.blocks or word == "server" and isinstance(self.blocks[-1], ServerSpec):
                self.blocks.append(ServerSpec(rest, self.reader.path.name, self.reader.index))
            elif not self.blocks:
                raise self.reader.fail(f"{word!r} before the first case")
            else:
                self.directive(self.blocks[-1], word, rest)
        for block in self.blocks:
            self.check(block)
        return self.blocks

    def new_case(self, name: str) -> Case:
        if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", name):
            raise self.reader.fail(f"a case is named area.what_it_shows, not {name!r}")
        case = Case(name, self.reader.path.name, self.reader.index)
        if "server" in self.defaults:
            self.set_server(case, self.defaults["server"])
        case.proves += self.defaults.get("proves", "").split()
        return case

    @staticmethod
    def set_server(case: Case, words: str) -> None:
        case.server, _, more = words.partition(" ")
        case.is_fresh = more == "fresh"

    def directive(self, block: Case | ServerSpec, word: str, rest: str) -> None:
        if match := re.fullmatch(r"(stock|2\.12):", word):
            key, _, rest = rest.partition(" ")
            if key != "expect":
                raise self.reader.fail("only expectations can differ by server")
            self.expectation(block, rest.strip(), match[1])
        elif word == "expect":
            self.expectation(block, rest, "baton")
        elif word == "command" and isinstance(block, ServerSpec):  # before the server starts
            block.commands.append(rest)
        elif word in ANSWER_KEYS or word in PLAIN_STEPS:
            block.steps.append(Step(word, rest, self.reader.index))
        elif word == "reload":
            step = Step("grpc", "HandleReloadConfigRequest", self.reader.index)
            config = self.reader.value(rest, braces=True)
            step.fields["request"] = [Value(b"config {\n" + config.data + b"\n}")]
            block.steps.append(step)
        elif block.steps and word in STEP_FIELDS.get(block.steps[-1].kind, ()):
            value = self.reader.value(rest, braces=word in PROTO_FIELDS)
            block.steps[-1].fields.setdefault(word, []).append(value)
        elif isinstance(block, Case):
            self.case_remark(block, word, rest)
        else:
            self.server_setting(block, word, rest)

    def expectation(self, block: Block, rest: str, profile: str) -> None:
        if not block.steps or block.steps[-1].kind not in ANSWER_KEYS:
            raise self.reader.fail("nothing was asked of which to expect something")
        step = block.steps[-1]
        key, _, rest = rest.partition(" ")
        if key not in ANSWER_KEYS[step.kind]:
            raise self.reader.fail(f"a {step.kind} step has no {key!r}; it has {', '.join(ANSWER_KEYS[step.kind])}")
        mode, _, more = rest.partition(" ")
        mode, rest = (mode, more.strip()) if mode in MODES else ("", rest)
        line = self.reader.index
        value = Value(rest.encode()) if mode == "~" else self.reader.value(rest, braces=key == "response")
        step.expectations.append(Expectation(key, mode, value, line, profile))

    def case_remark(self, case: Case, word: str, rest: str) -> None:
        if word == "proves":
            case.proves += rest.split()
        elif word == "server":
            self.set_server(case, rest)
        elif word in ("why", "since", "deviation"):
            setattr(case, word, " ".join(filter(None, [getattr(case, word), rest])))
        elif word == "decision":
            if not re.match(r"(keep|fix|better): \w", rest):
                raise self.reader.fail("a decision is `keep: reason`, `fix: reason` or `better: reason`")
            case.decision = rest
        elif word == "never-on":
            profile, _, reason = rest.partition(": ")
            if profile not in PROFILES[1:] or not reason:
                raise self.reader.fail("never-on stock|2.12: reason")
            case.never_on[profile] = reason
        else:
            raise self.reader.fail(f"unknown word {word!r}")

    def server_setting(self, server: ServerSpec, word: str, rest: str) -> None:
        if word == "like":
            server.like = rest
        elif word == "flags":
            server.flags += rest.split()
        elif word == "config":
            server.config = self.reader.value(rest, braces=True)
        elif word == "file":
            name, _, rest = rest.partition(" ")
            server.files[name] = self.reader.value(rest, braces=False)
        else:
            raise self.reader.fail(f"unknown word {word!r}")

    @staticmethod
    def check(block: Case | ServerSpec) -> None:
        """What makes a case a case: it proves something, can fail, and gives reasons where servers differ."""
        where = f"{block.file}:{block.line}: {block.name}"
        for step in block.steps:
            if step.kind in ANSWER_KEYS and not step.expectations:
                raise CaseError(f"{where}: the {step.kind} step of line {step.line} expects nothing")
        if isinstance(block, ServerSpec):
            return
        if not block.proves:
            raise CaseError(f"{where}: proves no row of the contract")
        if not any(step.expectations for step in block.steps):
            raise CaseError(f"{where}: expects nothing")
        profiles = {e.profile for step in block.steps for e in step.expectations}
        if "stock" in profiles and not block.deviation:
            raise CaseError(f"{where}: differs from stock without a `deviation` line that says why")
        if "2.12" in profiles and not block.since:
            raise CaseError(f"{where}: differs from 2.12 without a `since` line that says what changed")


def load(folder: pathlib.Path) -> tuple[list[Case], dict[str, ServerSpec]]:
    """Every case and every server configuration below `folder`."""
    cases, servers, names = [], {}, {}
    for path in sorted(folder.glob("*.case")):
        for block in FileParser(path).parse():
            if isinstance(block, ServerSpec) and block.name in servers:
                raise CaseError(f"{path.name}:{block.line}: server {block.name} is also in {servers[block.name].file}")
            if isinstance(block, ServerSpec):
                servers[block.name] = block
            elif block.name in names:
                raise CaseError(f"{path.name}:{block.line}: {block.name} is also in {names[block.name]}")
            else:
                names[block.name] = path.name
                cases.append(block)
    for case in cases:
        if case.server != "none" and case.server not in servers:
            raise CaseError(f"{case.file}:{case.line}: no server {case.server!r}")
    return cases, servers
