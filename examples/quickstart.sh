#!/usr/bin/env bash
# Trains a small GPT, about 3 million parameters with bytes as tokens, on two ranks of this machine with 1F1B.
#
#   bash examples/quickstart.sh [TEXT-FILE]
#
# Without a file it reads the licence texts that every Debian and Ubuntu has. It installs the packages that are missing,
# builds the command lockflight, and leaves what it wrote in build/quickstart. A second run reuses the build.
set -euo pipefail

if (($# > 1)) || [[ ${1:-} == -* ]]; then
  echo "usage: bash examples/quickstart.sh [TEXT-FILE]" >&2
  exit 64
fi
text=
if (($# == 1)); then
  if [[ ! -f $1 || ! -r $1 ]]; then
    echo "quickstart: '$1' is no file that can be read" >&2
    exit 74
  fi
  text=$(realpath -- "$1")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash cmake/install_packages.sh
cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release --target lockflight_command

out=build/quickstart
mkdir -p $out
if [[ -z $text ]]; then
  # GPL is a link to GPL-3, and so on: each text once.
  text=$out/licences.txt
  find /usr/share/common-licenses -type f | LC_ALL=C sort | xargs cat >$text
fi

exec build/release/bin/lockflight train --data "$text" \
  --layers 6 --width 192 --heads 6 --context 128 \
  --ranks 2 --schedule 1f1b --micro-batches 8 --micro-batch-rows 4 \
  --steps 260 --learning-rate 2e-3 --warmup 30 --clip 1 --validate-every 50 \
  --checkpoint $out/checkpoint --trace $out/trace.json --loss-curve $out/loss.svg
