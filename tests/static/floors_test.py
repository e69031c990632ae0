#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plants one violation at a time in a small tree; floors.py must report it, and report nothing in a clean tree."""
import pathlib
import tempfile
import unittest

import floors

CLEAN = {
    "config.hpp": "",
    "core/math.hpp": '#include "basin/config.hpp"\n',
    "core/simd.hpp": '#include "basin/core/math.hpp"\n#include <cmath>\n',
    "concepts/normalizer.hpp": '#include "basin/core/math.hpp"\n',
    "normalize/softmax.hpp": '#include "basin/concepts/normalizer.hpp"\n#include "basin/normalize/detail/row.hpp"\n',
    "normalize/detail/row.hpp": '#include "basin/core/math.hpp"\n',
    "mask/causal.hpp": '#include "basin/config.hpp"\n',
    "cpu/forward.hpp": '#include "basin/normalize/softmax.hpp"\n#include "basin/cpu/detail/panel.hpp"\n',
    "cpu/detail/panel.hpp": '#include "basin/core/simd.hpp"\n',
    "cuda/forward.cuh": '#include "basin/core/math.hpp"\n',
    "nn/linear.hpp": '#include "basin/cpu/forward.hpp"\n',
    "lm/weight.hpp": '#include "basin/nn/linear.hpp"\n',
    "lm/layers/norm.hpp": '#include "basin/lm/weight.hpp"\n#include "basin/lm/layers/linear.hpp"\n',
    "lm/layers/linear.hpp": '#include "basin/lm/weight.hpp"\n',
    "lm/io/files.hpp": "",
    "lm/tokenizers/bytes.hpp": "",
    "lm/decoding/samplers.hpp": '#include "basin/lm/tokenizers/bytes.hpp"\n',
    "basin.hpp": '#include "basin/nn/linear.hpp"\n',
}


def found(planted: dict[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**CLEAN, **planted}.items():
            header = pathlib.Path(folder) / "basin" / name
            header.parent.mkdir(parents=True, exist_ok=True)
            header.write_text(text)
        return floors.violations(pathlib.Path(folder))


class floors_test(unittest.TestCase):
    def expect(self, header: str, text: str, *words: str):
        lines = found({header: text})
        self.assertEqual(len(lines), 1, lines)
        for word in (f"basin/{header}", *words):
            self.assertIn(word, lines[0])

    def test_a_clean_tree_passes(self):
        self.assertEqual(found({}), [])

    def test_an_empty_folder_is_not_clean(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(len(floors.violations(pathlib.Path(folder))), 1)

    def test_upwards(self):
        self.expect("core/view.hpp", '\n#include "basin/concepts/normalizer.hpp"\n', ":2:", "upwards")

    def test_sideways_between_folders(self):
        self.expect("mask/prefix.hpp", '#include "basin/normalize/softmax.hpp"\n', "sideways")

    def test_sideways_between_models_of_a_folder(self):
        self.expect("normalize/scaled.hpp", '#include "basin/normalize/softmax.hpp"\n', "sideways")

    def test_upwards_in_lm(self):
        self.expect("lm/layers/mlp.hpp", '#include "basin/lm/io/files.hpp"\n', "upwards or sideways in lm/")

    def test_a_header_on_another_floor_than_its_folder(self):
        self.expect("lm/decoding/beam.hpp", '#include "basin/lm/tokenizers/tokenizer.hpp"\n', "upwards or sideways in lm/")
        self.expect("lm/tokenizers/bytes.hpp", '#include "basin/lm/io/files.hpp"\n', "upwards or sideways in lm/")

    def test_an_unknown_room_of_lm(self):
        self.expect("lm/layers/mlp.hpp", '#include "basin/lm/misc/a.hpp"\n', "'lm/misc' is on no floor")

    def test_a_program_includes_no_other_program(self):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "study" / "study.cpp"
            source.parent.mkdir()
            source.write_text('#include "basin/basin.hpp"\n#include "report/page.hpp"\n#include "train/data.hpp"\n')
            lines = floors.violations_of_examples(pathlib.Path(folder))
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("study/study.cpp:3: includes train/data.hpp", lines[0])

    def test_detail_of_another_folder(self):
        self.expect("nn/norm.hpp", '#include "basin/cpu/detail/panel.hpp"\n', "private")

    def test_device_header_from_host_header(self):
        self.expect("nn/norm.hpp", '#include "basin/cuda/forward.cuh"\n', "nvcc")

    def test_spaces_hide_nothing(self):
        self.expect("core/view.hpp", '  #  include\t"basin/nn/linear.hpp"\n', "upwards")

    def test_angle_brackets_hide_nothing(self):
        self.expect("core/view.hpp", "#include <basin/config.hpp>\n", "spelled")

    def test_relative_paths_hide_nothing(self):
        self.expect("core/view.hpp", '#include "../nn/linear.hpp"\n', "spelled")

    def test_a_folder_on_no_floor(self):
        self.expect("cellar/wine.hpp", "", "no floor")

    def test_a_header_that_is_not_there(self):
        self.expect("core/view.hpp", '#include "basin/core/veiw.hpp"\n', "no such header")

    def test_a_cycle_within_a_folder(self):
        lines = found({"core/a.hpp": '#include "basin/core/b.hpp"\n', "core/b.hpp": '#include "basin/core/a.hpp"\n'})
        self.assertEqual(lines, ["a cycle: core/a.hpp -> core/b.hpp -> core/a.hpp"])


if __name__ == "__main__":
    unittest.main()
