#!/usr/bin/env bash
# Runs clang-tidy 14 with the checks of .clang-tidy over what the preset dev compiles, file by file.
#
#   bash cmake/lint.sh [REGEX]        only sources whose path matches it, such as src/ops
#
# Takes about 6 seconds a source file on 2 cores (12 a test), too long for .ci/run: run it over what you changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v clang-tidy-14 >/dev/null; then
  echo "lint: clang-tidy 14 is not installed; on Debian 12 it is the package clang-tidy" >&2
  exit 1
fi
cmake --preset dev -B build/lint -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON -D LOCKFLIGHT_UNITY=none --log-level=WARNING >/dev/null

mapfile -t sources < <(sed -n "s|^ *\"file\": \"$PWD/\(.*\)\".*|\1|p" build/lint/compile_commands.json |
  grep -E '^(src|tests|examples)/' | grep -E -- "${1:-.}" | sort -u)
if ((${#sources[@]} == 0)); then
  echo "lint: the preset dev compiles no source that matches $1" >&2
  exit 1
fi

# GCC's omp.h serves both compilers; last in line, so that it is all clang takes from there.
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" \
  clang-tidy-14 --quiet -p build/lint --extra-arg=-idirafter"$(g++ -print-file-name=include)"
echo "lint: ${#sources[@]} sources, no finding"
