#!/bin/sh
# Asks half_plus_two over REST as a tutorial would: half_plus_two.sh http://HOST:PORT
set -eu
url=$1/v1/models/half_plus_two

curl -sS "$url"
curl -sS "$url/metadata"
curl -sS -d '{"instances": [1.0, 2.0, 5.0]}' -X POST "$url:predict"
curl -sS -d '{"inputs": {"x": [1.0, 2.0, 5.0]}}' -X POST "$url/versions/123:predict"
curl -sS -d '{"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": 2.0}]}' -X POST "$url:regress"
# An error: the body says why, and the status is told apart by --fail.
curl -sS -d '{"instances": [1.0]}' -X POST "$1/v1/models/half_plus_nothing:predict"
! curl -sS --fail -o /dev/null -d '{"instances": [1.0]}' -X POST "$1/v1/models/half_plus_nothing:predict"
