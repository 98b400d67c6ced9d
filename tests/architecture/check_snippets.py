"""Checks that code in the documentation is code that the tests run.

  python3 check_snippets.py ROOT

A C++ block in README.md or docs/*.md stands behind a line

  <!-- snippet: examples/first_program.cpp program -->

and must equal what stands between the two lines "// [program]" of that file, less the common indent.  A C++ block without
such a line is an offence, too.  Prints every offence; exits 1 if there is one.
"""

import pathlib
import re
import sys
import textwrap

BLOCK = re.compile(r"(?:<!-- snippet: (\S+) (\S+) -->\n)?```cpp\n(.*?)```", re.DOTALL)


def region(path, name):
    """The text between the two marks, or None if there are not exactly two."""
    parts = re.split(rf"^[ \t]*// \[{re.escape(name)}\]\n", path.read_text(), flags=re.MULTILINE)
    return textwrap.dedent(parts[1]) if len(parts) == 3 else None


def offences(root):
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        for match in BLOCK.finditer(page.read_text()):
            file, name, code = match.groups()
            where = f"{page.relative_to(root)}: the block that begins with {code.splitlines()[0]!r}"
            if file is None:
                yield f"{where} names no snippet"
            elif not (root / file).is_file() or region(root / file, name) is None:
                yield f"{where} names {file} [{name}], which is not there"
            elif region(root / file, name) != code:
                yield f"{where} differs from {file} [{name}]"


def main():
    found = list(offences(pathlib.Path(sys.argv[1])))
    for offence in found:
        print(offence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
