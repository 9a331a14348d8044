#!/usr/bin/env python3
"""Holds the tree to the floors drawn in layers.txt.

Rules: a module includes only itself and lower floors (siblings never), components inside a module form no
include cycle, vendor headers stay where layers.txt puts them, testing/ is for tests, engines see only the ground,
and every quoted include is rooted at src/ and exists. Prints one line per violation; exit status 1 if there is any.
"""
import argparse
import pathlib
import re
import sys
from dataclasses import dataclass, field

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".h", ".cc"}
TEST_STEM = re.compile(r"_(test|bench|fuzz)(_|$)")  # also engine_test_model.h, a part of tests
GROUND = "include/baton"
# Wings are programs of their own: they may see these modules and never the server's floors above them.
WINGS = {"fleet", "release", "loadgen", "client"}
WING_MODULES = {"base", "tensor", "metrics", "net"}
TESTING = "testing"
PROTOBUF = "google/protobuf/"


@dataclass
class Layers:
    floor_of: dict[str, int] = field(default_factory=dict)
    vendors: dict[str, set[str]] = field(default_factory=dict)


def read_layers(path: pathlib.Path) -> Layers:
    layers = Layers()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if re.fullmatch(r"F\d+", words[0]):
            layers.floor_of.update(dict.fromkeys(words[1:], int(words[0][1:])))
        elif words[0] == "vendor" and len(words) >= 3:
            layers.vendors[words[1]] = set(words[2:])
        else:
            raise SystemExit(f"{path}:{number}: neither 'F<n> modules' nor 'vendor prefix places': {line}")
    return layers


@dataclass
class Source:
    path: pathlib.PurePosixPath  # relative to the root of the tree
    place: str  # "net", "codec/rest", "testing", "engines/echo", "loadgen", "include/baton" or "" (unknown)
    includes: list[tuple[int, str, str]]  # line, '<' or '"', what

    @property
    def is_test(self) -> bool:
        return bool(TEST_STEM.search(self.path.stem)) or self.place == TESTING

    @property
    def component(self) -> str:
        return self.path.stem


def place_of(path: pathlib.PurePosixPath, modules) -> str:
    parts = path.parts
    if parts[0] == "src":
        if parts[1] == TESTING:
            return TESTING
        for length in range(len(parts) - 1, 1, -1):
            name = "/".join(parts[1:length])
            if name in modules:
                return name
        return ""
    if parts[0] == "engines" and len(parts) > 2:
        return f"engines/{parts[1]}"
    if parts[0] == "include":
        return GROUND
    return parts[0]


def read_sources(root: pathlib.Path, modules) -> list[Source]:
    sources = []
    for top in ["src", "engines", "include", *sorted(WINGS)]:
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            relative = pathlib.PurePosixPath(path.relative_to(root).as_posix())
            includes = []
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if found := INCLUDE.match(line):
                    includes.append((number, found[1], found[2]))
            sources.append(Source(relative, place_of(relative, modules), includes))
    return sources


def vendor_problem(source: Source, include: str, layers: Layers) -> str | None:
    is_message = include.endswith(".pb.h")
    if is_message and source.is_test:
        return None  # the reference that a codec of our own is compared with
    prefixes = [prefix for prefix in layers.vendors if include.startswith(prefix)]
    if is_message:  # a generated message is protobuf, wherever its schema comes from; a vendor's place may have the vendor's
        prefixes.append(PROTOBUF)
    places = set().union(*(layers.vendors.get(prefix, set()) for prefix in prefixes))
    if prefixes and source.place not in places:
        return f"{' or '.join(prefixes)} belongs to {', '.join(sorted(places))}"
    return None


def module_problem(source: Source, target: str, layers: Layers) -> str | None:
    """Why a file of source.place may not include a file of module `target`; None if it may."""
    if target == source.place or source.place == TESTING:
        return None
    if target == TESTING:
        return None if source.is_test else "testing/ is for tests, benchmarks and fuzz targets"
    if source.place.startswith("engines/"):
        if source.is_test:
            return None  # drives the plug-in through the host
        return "an engine sees only include/baton and its vendor"
    if source.place == GROUND:
        return "the ground includes nothing of ours"
    if source.place in WINGS:
        return None if target in WING_MODULES else f"{source.place}/ may not see the server's floor of {target}"
    mine, theirs = layers.floor_of[source.place], layers.floor_of[target]
    if theirs == mine:
        return f"{source.place} and {target} are siblings on F{mine}"
    if theirs > mine:
        return f"{target} (F{theirs}) is above {source.place} (F{mine})"
    return None


def include_stays_inside(root: pathlib.Path, source: Source, include: str) -> bool:
    """For engines and wings, which name their own files from the root of the tree or from beside the including file."""
    for candidate in (root / include, root / source.path.parent / include):
        if candidate.is_file():
            found = pathlib.PurePosixPath(candidate.resolve().relative_to(root.resolve()).as_posix())
            return place_of(found, {}) == source.place
    return False


def include_problem(root: pathlib.Path, source: Source, kind: str, include: str, layers: Layers) -> str | None:
    if problem := vendor_problem(source, include, layers):
        return problem
    if kind == "<" or include.endswith(".pb.h"):
        return None
    if (root / "include" / include).is_file():
        return None
    if source.path.parts[0] != "src" and include_stays_inside(root, source, include):
        return None
    first = include.split("/")[0]
    if first != include and not (root / "src" / first).is_dir():
        return None  # a package of the system: Abseil, GoogleTest, an unrestricted vendor
    if not (root / "src" / include).is_file():
        return "no such file under src/ (includes are rooted there)"
    target = place_of(pathlib.PurePosixPath("src") / include, layers.floor_of)
    return module_problem(source, target, layers) if target else f"{include} is in no module of layers.txt"


def component_cycles(sources: list[Source], modules) -> list[str]:
    """Strongly connected components of more than one node, per module (iterative Tarjan)."""
    edges: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for source in sources:
        if source.is_test:
            continue
        node = (source.place, str(source.path.with_suffix("")))
        targets = edges.setdefault(node, set())
        for _, kind, include in source.includes:
            path = pathlib.PurePosixPath("src") / include
            if kind == '"' and place_of(path, modules) == source.place:
                targets.add((source.place, str(path.with_suffix(""))))
    for targets in list(edges.values()):
        for target in targets:
            edges.setdefault(target, set())

    problems, index, low, stack, on_stack = [], {}, {}, [], set()
    for start in sorted(edges):
        if start in index:
            continue
        work = [(start, iter(sorted(edges[start])))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(sorted(edges[successor]))))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    knot = []
                    while not knot or knot[-1] != node:
                        knot.append(stack.pop())
                        on_stack.discard(knot[-1])
                    if len(knot) > 1:
                        names = " <-> ".join(sorted(name for _, name in knot))
                        problems.append(f"{node[0]}: include cycle: {names}")
    return problems


def check(root: pathlib.Path) -> list[str]:
    layers = read_layers(root / "layers.txt")
    sources = read_sources(root, layers.floor_of)
    problems = []
    for source in sources:
        if not source.place:
            problems.append(f"{source.path}: its folder is in no floor of layers.txt")
            continue
        for number, kind, include in source.includes:
            if problem := include_problem(root, source, kind, include, layers):
                problems.append(f"{source.path}:{number}: {include}: {problem}")
    return problems + component_cycles(sources, layers.floor_of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    problems = check(parser.parse_args().root)
    for problem in problems:
        print(problem)
    print(f"layers: {len(problems)} violation(s)" if problems else "layers: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
