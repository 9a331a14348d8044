#!/usr/bin/env python3
"""Asks servers the conformance cases and reports which rows of the contract they cover. `runner.py --help`; README.md."""
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases_runner.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
