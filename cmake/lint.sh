#!/usr/bin/env bash
# Runs clang-tidy 14 with the checks of .clang-tidy over what the preset dev compiles.
#
#   bash cmake/lint.sh [REGEX...]        only sources whose path matches one of them, such as src/ops
#
# Takes about 6 seconds a source file on 2 cores (12 a test), too long for .ci/run: run it over what you changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v run-clang-tidy-14 >/dev/null; then
  echo "lint: clang-tidy 14 is not installed; on Debian 12 it is the package clang-tidy" >&2
  exit 1
fi
cmake --preset dev --log-level=WARNING
# GCC's omp.h serves both compilers; last in line, so that it is all clang takes from there.
omp=-extra-arg=-idirafter$(g++ -print-file-name=include)
filters=("${@:-.}")
run-clang-tidy-14 -p build/dev -quiet "$omp" -j "$(nproc)" "${filters[@]/#/^$PWD/(src|tests|examples)/.*}"
