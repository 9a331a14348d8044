# shellcheck shell=bash
# The test suites of ./dev, fast ones first. Sourced by ./dev: uses its say, quietly, build, $venv and $logs.
# A suite is a function suite_<name>; what it leaves in $results/<name> (JUnit files, GoogleTest's JSON) is counted by
# scripts/test_summary.py. A suite that leaves nothing counts as one test: its exit status.

results=$root/build/test-results
fast_suites=(layers format unit proto)
all_suites=("${fast_suites[@]}" integration conformance fuzz asan tsan interop tidy)

# pytest over the paths that exist; none is fine, the suite then has no tests.
pytests() {
  local suite=$1 paths=() path
  shift
  for path in "$@"; do
    if [[ -e $path ]]; then paths+=("$path"); fi
  done
  ((${#paths[@]})) || return 0
  quietly "test-$suite" "$venv/bin/python" -m pytest -c tests/pytest.ini --rootdir=. -q "${paths[@]}" \
    --junitxml="$results/$suite/pytest.xml"
}

# ctests SUITE PRESET: the unit tests of a build, counted case by case.
ctests() {
  GTEST_OUTPUT="json:$results/$1/gtest/" quietly "test-$1" ctest --test-dir "build/$2" -L unit -j "$(nproc)" \
    --output-on-failure --output-junit "$results/$1/ctest.xml"
}

suite_layers() {
  pytests layers scripts
  quietly layers "$venv/bin/python" scripts/check_layers.py
}

suite_format() { quietly format formatted; }

suite_unit() { build release && ctests unit release; }

suite_proto() { pytests proto tests/proto; }

suite_integration() { build release && pytests integration tests/integration; }

suite_conformance() { build release && pytests conformance tests/conformance; }

# Other people's clients, and h2spec.
suite_interop() { build release && pytests interop tests/interop tests/h2spec; }

suite_tidy() {
  build release
  quietly tidy tidied
}

# Every source that is compiled, but for tests: what a check there finds is no bug of the product.
tidied() {
  sources src engines loadgen | grep -zE '\.cc$' | grep -zvE '_(test|bench|fuzz)\.cc$' |
    xargs -0 -r -P "$(nproc)" -n 2 clang-tidy-14 -p build/release --quiet
}

suite_asan() {
  build asan
  UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1 ctests asan asan
}

suite_tsan() {
  build tsan
  # clang 14's TSan cannot map its shadow where the kernel spreads addresses widely; where allowed, switch that off.
  local spread=()
  if setarch -R true 2>/dev/null; then spread=(setarch -R); fi
  TSAN_OPTIONS="suppressions=$root/scripts/tsan.supp halt_on_error=1 second_deadlock_stack=1" GTEST_OUTPUT="json:$results/tsan/gtest/" \
    quietly test-tsan "${spread[@]}" ctest --test-dir build/tsan -L unit -j "$(nproc)" --output-on-failure \
    --output-junit "$results/tsan/ctest.xml"
}

suite_fuzz() {
  build fuzz
  quietly test-fuzz "$venv/bin/python" scripts/fuzz_smoke.py --build build/fuzz --seeds tests/fuzz \
    --seconds "${FUZZ_SECONDS:-60}" --junit "$results/fuzz/fuzz.xml"
}

run_suite() {
  local name=$1 started=$SECONDS status
  say "suite $name"
  rm -rf "${results:?}/$name"
  mkdir -p "$results/$name"
  set +e
  (set -e && "suite_$name")
  status=$?
  set -e
  printf '%s %s\n' "$status" $((SECONDS - started)) >"$results/$name/done"
}

test_main() {
  local suites=() word
  for word in "${@:-all}"; do
    case $word in
      all) suites+=("${all_suites[@]}") ;;
      fast) suites+=("${fast_suites[@]}") ;;
      list) printf '%s\n' "${all_suites[@]}" && return ;;
      *) declare -F "suite_$word" >/dev/null || die "no such suite: $word (./dev test list)"
         suites+=("$word") ;;
    esac
  done
  rm -rf "$results"
  for word in "${suites[@]}"; do
    run_suite "$word"
  done
  "$venv/bin/python" scripts/test_summary.py "$results" "${suites[@]}"
}
