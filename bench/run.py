#!/usr/bin/env python3
"""Requests per second and CPU per request of the tiny model (half_plus_two), server on one core, load generator on another.

    ./dev bench [--rounds 3] [--seconds 5] [--json FILE]

The rows are run in turn, round after round, and the median of each is printed: the machine drifts, a row must not.
Requests per second are bounded by the slower of the two cores; server CPU per request is the steadier figure.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import baton_server  # noqa: E402

MODELS = ROOT / "tests/conformance/observed/models"
# Name, what it aims at (requests/s, us of server CPU), the load generator's flags.
ROWS = [
    ("gRPC 8 x 8", (40000, 20), ["--protocol=grpc", "--connections=8", "--streams=8"]),
    ("gRPC 64 x 1", None, ["--protocol=grpc", "--connections=64", "--streams=1"]),
    ("gRPC 1 x 1", None, ["--protocol=grpc", "--connections=1", "--streams=1"]),
    ("REST 64", (35000, None), ["--protocol=rest", "--connections=64"]),
    ("REST 1", None, ["--protocol=rest", "--connections=1"]),
]


def split_flags(flags: list[str]) -> list[str]:
    return [part for flag in flags for part in flag.split("=")]


def measure(server: baton_server.BatonServer, loadgen: pathlib.Path, flags: list[str], seconds: float, cpu: int) -> dict:
    port = server.grpc_port if "--protocol=grpc" in flags else server.rest_port
    command = [str(loadgen), *split_flags(flags), "--port", str(port), "--model", "half_plus_two", "--input", "x",
               "--value", "1.0,2.0,5.0", "--duration", str(seconds), "--warmup", "1", "--server-pid",
               str(server.process.pid), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60,
                          preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="write every measurement here")
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("the benchmark needs two CPUs: one for the server, one for the load generator")
    loadgen = ROOT / "build/release/loadgen/baton-loadgen"
    if not loadgen.exists():
        raise SystemExit(f"{loadgen} is not built: ./dev build")

    os.sched_setaffinity(0, {cpus[0]})  # the server inherits it: one loop, one engine thread
    runs: dict[str, list[dict]] = {name: [] for name, _, _ in ROWS}
    with baton_server.BatonServer("--model_name=half_plus_two", f"--model_base_path={MODELS / 'half_plus_two'}") as server:
        for number in range(arguments.rounds):
            for name, _, flags in ROWS:
                print(f"\rround {number + 1} of {arguments.rounds}: {name:12}", end="", file=sys.stderr, flush=True)
                runs[name].append(measure(server, loadgen, flags, arguments.seconds, cpus[1]))
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(runs, indent=1))

    print(f"half_plus_two, server on CPU {cpus[0]}, load generator on CPU {cpus[1]}, "
          f"median of {arguments.rounds} x {arguments.seconds:g} s")
    print(f"{'':12} {'requests/s':>11} {'server CPU':>11} {'p50':>9} {'p99':>9} {'errors':>7}   aim")
    for name, aim, _ in ROWS:
        print(row(name, aim, runs[name]))
    return 0


def row(name: str, aim, samples: list[dict]) -> str:
    def median(read) -> float:
        return statistics.median(map(read, samples))

    errors = sum(sum(sample["errors"].values()) for sample in samples)
    goal = "" if aim is None else f"{aim[0]} requests/s" + (f", {aim[1]} us" if aim[1] else "")
    return (f"{name:12} {median(lambda s: s['rps']):11.0f} {median(lambda s: s['server_cpu_us']):8.2f} us "
            f"{median(lambda s: s['latency_us']['p50']):6.0f} us {median(lambda s: s['latency_us']['p99']):6.0f} us "
            f"{errors:7}   {goal}")


if __name__ == "__main__":
    sys.exit(main())
