"""Checks that includes point down the layers only, and that public headers include no third-party header.

  python3 check_includes.py ROOT      prints every offending include of the source tree ROOT; exits 1 if there is one
"""

import pathlib
import re
import sys

# What each module may include, beside itself and whatever these may include.
BELOW = {
    "core": [],
    "device": ["core"],
    "ops": ["device"],
    "nn": ["ops"],
    "schedule": ["core"],
    "partition": ["core"],
    "comm": ["device"],
    "plan": ["schedule", "partition", "nn", "comm"],  # comm, for the World that a plan is made for
    "runtime": ["plan"],
    "train": ["runtime"],
    "tools": ["train"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
STANDARD_HEADER = re.compile(r"[a-z_0-9]+")


def reachable(module):
    """The module itself and all that lies below it."""
    return {module}.union(*(reachable(lower) for lower in BELOW[module]))


def module_of(path):
    """The module of an included name or a file: lockflight/ops/matmul.h and ops/panel.h belong to ops.

    None for lockflight/lockflight.h, which is all of them, and for names of other libraries.
    """
    parts = [part for part in path.split("/") if part != "lockflight"]
    return parts[0] if len(parts) > 1 and parts[0] in BELOW else None


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def complaint(module, public, bracket, name):
    """What is wrong with one include of a file of `module`, or None."""
    ours = bracket == '"'
    if not ours:
        foreign = public and not STANDARD_HEADER.fullmatch(name)
        return f"the public header includes <{name}>, which is no C++ standard header" if foreign else None
    if public and not name.startswith("lockflight/"):
        return f'the public header includes "{name}", which is not public'
    target = module_of(name)
    if module is None:
        return None
    if target is None:
        return f'{module} includes "{name}", which belongs to no module'
    if target not in reachable(module):
        return f"{module} includes \"{name}\", but may include only {', '.join(sorted(reachable(module)))}"
    return None


def sources(root):
    """(file, its module, whether it is public), sorted by name."""
    for folder, public in (("include/lockflight", True), ("src", False)):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".cu", ".cuh"):
                yield path, module_of(str(path.relative_to(root / folder))), public


def findings(root):
    """All offending includes of the tree, as lines `file:line: what is wrong`."""
    return [
        f"{path.relative_to(root)}:{number}: {wrong}"
        for path, module, public in sources(root)
        for number, bracket, name in includes(path)
        if (wrong := complaint(module, public, bracket, name))
    ]


def main():
    root = pathlib.Path(sys.argv[1])
    files = len(list(sources(root)))
    if files == 0:
        sys.exit(f"check_includes: {root} has no sources under include/lockflight and src")
    found = findings(root)
    print("\n".join(found) if found else f"{files} files, every include points down")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
