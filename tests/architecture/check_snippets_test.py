"""Plants every offence that check_snippets.py must find, beside a page that has none."""

import pathlib
import tempfile
import unittest

import check_snippets

PROGRAM = "int a;\n  // [part]\n  int b;\n  // [part]\nint c;\n"


class CheckSnippetsTest(unittest.TestCase):
    def found(self, page):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "docs").mkdir()
            (root / "README.md").write_text("")
            (root / "a.cpp").write_text(PROGRAM)
            (root / "docs/page.md").write_text(page)
            return list(check_snippets.offences(root))

    def test_takes_a_block_that_equals_its_region(self):
        self.assertEqual(self.found("<!-- snippet: a.cpp part -->\n```cpp\nint b;\n```\n"), [])

    def test_finds_a_block_that_differs(self):
        self.assertIn("differs", self.found("<!-- snippet: a.cpp part -->\n```cpp\nint d;\n```\n")[0])

    def test_finds_a_block_without_a_name(self):
        self.assertIn("names no snippet", self.found("```cpp\nint b;\n```\n")[0])

    def test_finds_a_name_of_nothing(self):
        self.assertIn("not there", self.found("<!-- snippet: a.cpp other -->\n```cpp\nint b;\n```\n")[0])
        self.assertIn("not there", self.found("<!-- snippet: b.cpp part -->\n```cpp\nint b;\n```\n")[0])


if __name__ == "__main__":
    unittest.main()
