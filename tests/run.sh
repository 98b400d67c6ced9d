#!/usr/bin/env bash
# Builds and passes every test: installs the packages it needs, configures, builds and tests.
#
#   bash tests/run.sh [PRESET [CTEST-OPTION...]]        PRESET is dev, release, asan or tsan; dev unless given
#
# Ends with the line "N passed, N failed, N skipped"; the exit status is 0 if and only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:-dev}
shift || true

# What goes wrong before a test has run counts as one failure.
step="packages"
trap 'echo "tests/run.sh: $step failed"; echo "0 passed, 1 failed, 0 skipped"' ERR

bash cmake/install_packages.sh
step="configuring"
cmake --preset "$preset"
step="the build"
cmake --build --preset "$preset" -j "$(nproc)"
trap - ERR

report=$PWD/build/$preset/tests.xml
rm -f "$report"
status=0
ctest --preset "$preset" --output-junit "$report" "$@" || status=$?

# ctest sums up in the attributes of the report's first element.
count() { grep -o -m 1 "[[:space:]]$1=\"[0-9]*\"" "$report" | head -n 1 | tr -cd 0-9; }
if [[ -s $report ]]; then
  total=$(count tests) failed=$(count failures) skipped=$(($(count skipped) + $(count disabled)))
else
  total=0 failed=0 skipped=0
fi
# A status of its own: ctest can fail without a failed test, when a program dies while it lists its tests.
if ((status != 0 && failed == 0)); then
  total=$((total + 1)) failed=1
fi
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
exit "$status"
