#!/usr/bin/env python3
"""Runs every fuzz target of a build for a few seconds each, as many at once as there are CPUs, and writes JUnit."""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

# Where a target's seeds lie under --seeds, if not in a folder of its name without _fuzz.
SEEDS = {"tensor_codec": "grpc/tensor", "predict_codec": "grpc/predict", "rest_predict": "rest"}


def run(target: pathlib.Path, seeds: pathlib.Path, seconds: int) -> tuple[str, str | None]:
    """Returns the target's name and, where it found something, its output."""
    with tempfile.TemporaryDirectory() as corpus:
        command = [target, f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"]
        name = target.name.removesuffix("_fuzz")
        own_seeds = seeds / SEEDS.get(name, name)
        folders = [corpus, *([own_seeds] if own_seeds.is_dir() else [])]
        done = subprocess.run([*command, f"-artifact_prefix={target.parent}/", *folders], capture_output=True, text=True,
                              errors="replace", check=False)
    return target.name, None if done.returncode == 0 else done.stderr[-8000:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=pathlib.Path, required=True, help="folder with a folder of seeds per target")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--junit", type=pathlib.Path, required=True)
    options = parser.parse_args()

    targets = sorted(path for path in options.build.rglob("*_fuzz") if path.is_file() and os.access(path, os.X_OK))
    suite = ElementTree.Element("testsuite", name="fuzz")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, output in pool.map(lambda target: run(target.resolve(), options.seeds, options.seconds), targets):
            case = ElementTree.SubElement(suite, "testcase", name=name)
            print(f"{'FOUND ' if output else 'clean '} {name}")
            if output:
                failed += 1
                printable = "".join(c for c in output if c.isprintable() or c in "\n\t")
                ElementTree.SubElement(case, "failure").text = printable
                print(output)
    ElementTree.ElementTree(suite).write(options.junit)
    print(f"{len(targets)} targets, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
