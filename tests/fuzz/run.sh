#!/usr/bin/env bash
# Builds every fuzz target and lets each run for a while from its checked-in seeds.
#
#   bash tests/fuzz/run.sh [SECONDS]        for each target; 60 unless given
#
# What makes a target fail lies in build/asan/fuzz/NAME-failure-*; run build/asan/fuzz/NAME_fuzz with it to repeat it.
# Ends with the line "N passed, N failed, N skipped", a target each; the exit status is 0 if and only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-60}

# What goes wrong before a target has run counts as one failure.
step="packages"
trap 'echo "tests/fuzz/run.sh: $step failed"; echo "0 passed, 1 failed, 0 skipped"' ERR

bash cmake/install_packages.sh
step="configuring"
cmake --preset asan
step="the build"
cmake --build --preset asan --target fuzz -j "$(nproc)"
trap - ERR

passed=0 failed=0
for seeds in tests/fuzz/corpus/*/; do
  name=$(basename "$seeds")
  echo "=== $name, $seconds s"
  # New inputs go to the first folder; the checked-in seeds are only read.
  found=build/asan/fuzz/corpus/$name
  mkdir -p "$found"
  if "build/asan/fuzz/${name}_fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="build/asan/fuzz/$name-failure-" "$found" "$seeds"; then
    ((passed += 1))
  else
    ((failed += 1))
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
