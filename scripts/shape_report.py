#!/usr/bin/env python3
"""Reports the shape of the tree against the aims of the style guide (CONTRIBUTING.md). Informational: always exits 0."""
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOPS = ["src", "engines", "include", "loadgen", "fleet", "release", "client"]
LIMITS = {"header": (150, 300), "source": (250, 400), "test": (400, 700)}
LONG_FUNCTION = 60
NOT_A_FUNCTION = re.compile(r"\b(namespace|class|struct|enum|union)\b")


def kind_of(path: pathlib.Path) -> str:
    if re.search(r"_(test|bench|fuzz)$", path.stem):
        return "test"
    return "header" if path.suffix == ".h" else "source"


def long_functions(lines: list[str]):
    """Yields (line, length, text) for functions over the limit; clang-format puts their closing brace in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and line and not line[0].isspace() and line.endswith("{") and not NOT_A_FUNCTION.search(line):
            start = number
        elif line.startswith("}"):
            if start is not None and number - start > LONG_FUNCTION:
                yield start, number - start, lines[start - 1]
            start = None


def contract_missing(lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    if "virtual " not in text or "= 0;" not in text:
        return []
    return [word for word in ("Threads:", "Owner:", "Errors:") if word not in text]


def main() -> int:
    sizes = {"header": [], "source": [], "test": []}
    notes = []
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in {".h", ".cc"} or not path.is_file():
                continue
            lines = path.read_text(errors="replace").splitlines()
            kind, name = kind_of(path), path.relative_to(ROOT)
            sizes[kind].append(len(lines))
            if len(lines) > LIMITS[kind][1]:
                notes.append(f"{name}: {len(lines)} lines (seldom above {LIMITS[kind][1]})")
            notes += [f"{name}:{at}: a function of {length} lines: {text[:60]}" for at, length, text in long_functions(lines)]
            if kind == "header" and (missing := contract_missing(lines)):
                notes.append(f"{name}: an interface without {' '.join(missing)}")
    print(f"{'':8}{'files':>7}{'lines':>8}{'median':>8}{'p90':>6}{'max':>6}{'aim':>6}")
    for kind, counts in sizes.items():
        if counts:
            ordered = sorted(counts)
            p90 = ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
            print(f"{kind:8}{len(counts):7}{sum(counts):8}{statistics.median(counts):8.0f}{p90:6}{ordered[-1]:6}{LIMITS[kind][0]:6}")
    code = sum(sizes["header"]) + sum(sizes["source"])
    if code:
        print(f"test lines per code line: {sum(sizes['test']) / code:.2f} (aim 1.0)")
    for note in notes:
        print(f"  {note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
