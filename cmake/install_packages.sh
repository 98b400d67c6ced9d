#!/usr/bin/env bash
# Installs the packages of cmake/packages.txt that are missing. Asks no network and no rights when none is.
set -euo pipefail

list=$(dirname "${BASH_SOURCE[0]}")/packages.txt
mapfile -t packages < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$list")

if ! command -v dpkg-query apt-get >/dev/null; then
  echo "packages: this system has no apt; install by its own means what $list names" >&2
  exit 1
fi

# dpkg-query fails when it knows one of the names not at all; what it does know, it still prints.
installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qx "installed $package" <<<"$installed" || missing+=("$package")
done

if ((${#missing[@]} == 0)); then
  echo "packages: all ${#packages[@]} of cmake/packages.txt are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "packages: missing ${missing[*]}; run this as root or install sudo, then run it again" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "packages: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
