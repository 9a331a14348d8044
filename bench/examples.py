#!/usr/bin/env python3
"""CPU of a Classify request before the graph runs: views into the request against parsing with protobuf twice.

    cmake --build build/release --target example_codec_bench && python3 bench/examples.py

Ends with status 1 where 100 examples do not take at least five times less.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
AIM = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--rounds", type=int, default=3, help="the median of each row counts")
    arguments = parser.parse_args()
    program = arguments.build / "src/codec/grpc/example_codec_bench"
    if not program.exists():
        raise SystemExit(f"{program} is not built")
    command = [str(program), "--benchmark_format=json", f"--benchmark_repetitions={arguments.rounds}",
               "--benchmark_min_time=0.2", "--benchmark_report_aggregates_only=true"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    cpu = {row["run_name"]: row["cpu_time"] / 1000 for row in report["benchmarks"] if row["aggregate_name"] == "median"}

    print(f"{'examples':>8} {'views':>10} {'protobuf':>12} {'ratio':>7}   (us of CPU per request)")
    for count in (1, 10, 100):
        ours, theirs = cpu[f"BM_Views/{count}/0"], cpu[f"BM_ProtobufTwice/{count}"]
        print(f"{count:>8} {ours:>10.2f} {theirs:>12.1f} {theirs / ours:>7.0f}")
    print(f"{100:>8} {cpu['BM_Views/100/1']:>10.2f} {'':>12} {'':>7}   with a context in front of each")
    return 0 if cpu["BM_ProtobufTwice/100"] >= AIM * cpu["BM_Views/100/0"] else 1


if __name__ == "__main__":
    sys.exit(main())
