"""Plants offending includes in small trees and expects check_includes to name each of them, and nothing else."""

import pathlib
import tempfile
import unittest

import check_includes


def findings_in(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return check_includes.findings(root)


class CheckIncludesTest(unittest.TestCase):
    def test_accepts_includes_that_point_down(self):
        self.assertEqual(
            findings_in(
                {
                    "include/lockflight/core/error.h": "#include <stdexcept>\n",
                    "include/lockflight/nn/layer.h": '#include "lockflight/core/error.h"\n#include "lockflight/ops/matmul.h"\n',
                    "include/lockflight/lockflight.h": '#include "lockflight/nn/layer.h"\n#include "lockflight/train/data.h"\n',
                    "src/nn/layer.cpp": '#include <fmt/format.h>\n#include "nn/block.h"\n',
                    "src/tools/train.cpp": '#include "lockflight/schedule/action.h"\n#include <CLI/CLI.hpp>\n',
                }
            ),
            [],
        )

    def test_refuses_an_include_that_points_up(self):
        self.assertEqual(
            findings_in({"src/core/error.cpp": '#include <vector>\n\n#include "lockflight/nn/layer.h"\n'}),
            ['src/core/error.cpp:3: core includes "lockflight/nn/layer.h", but may include only core'],
        )

    def test_refuses_a_private_header_of_a_module_above(self):
        self.assertEqual(
            findings_in({"src/ops/cpu/matmul.cpp": '# include "nn/block.h"\n'}),
            ['src/ops/cpu/matmul.cpp:1: ops includes "nn/block.h", but may include only core, device, ops'],
        )

    def test_refuses_an_include_across(self):
        self.assertEqual(
            findings_in({"include/lockflight/schedule/action.h": '#include "lockflight/device/stream.h"\n'}),
            [
                "include/lockflight/schedule/action.h:1: schedule includes "
                '"lockflight/device/stream.h", but may include only core, schedule'
            ],
        )

    def test_refuses_the_header_of_everything_inside_a_module(self):
        self.assertEqual(
            findings_in({"src/core/error.cpp": '#include "lockflight/lockflight.h"\n'}),
            ['src/core/error.cpp:1: core includes "lockflight/lockflight.h", which belongs to no module'],
        )

    def test_refuses_third_party_headers_in_public_ones_only(self):
        for header in ("fmt/format.h", "omp.h", "xxhash.h", "cuda_runtime.h", "CLI/CLI.hpp"):
            self.assertEqual(
                findings_in(
                    {
                        "include/lockflight/core/error.h": f"#include <{header}>\n",
                        "src/core/error.cpp": f"#include <{header}>\n",
                    }
                ),
                [
                    f"include/lockflight/core/error.h:1: the public header includes <{header}>, "
                    "which is no C++ standard header"
                ],
            )

    def test_refuses_a_private_header_in_a_public_one(self):
        self.assertEqual(
            findings_in({"include/lockflight/ops/matmul.h": '#include "ops/panel.h"\n'}),
            ['include/lockflight/ops/matmul.h:1: the public header includes "ops/panel.h", which is not public'],
        )

    def test_knows_that_everything_may_include_core_and_that_no_module_lies_below_itself(self):
        for module, below in check_includes.BELOW.items():
            self.assertIn("core", check_includes.reachable(module))
            for lower in below:
                self.assertNotIn(module, check_includes.reachable(lower))


if __name__ == "__main__":
    unittest.main()
