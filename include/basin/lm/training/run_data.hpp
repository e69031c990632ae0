// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Where the sequences of a run come from: windows of a text, or word problems.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "basin/core/random.hpp"
#include "basin/core/view.hpp"
#include "basin/lm/evaluation/word_problems.hpp"
#include "basin/lm/io/text_corpus.hpp"
#include "basin/lm/tokenizers/bytes.hpp"
#include "basin/lm/training/run_options.hpp"

namespace basin::lm {

/// The sequences of a run: endless for training, fixed for judging.
///
/// Throws    what text_corpus throws, when the options name a text
class run_data {
 public:
  explicit run_data(run_options const& o) : length(o.length) {
    if (!o.text.empty()) text.emplace(o.text, o.length);
  }

  bool is_text() const { return text.has_value(); }

  /// Tells one text from another; the same for all word problems, which their seed tells apart.
  std::uint64_t fingerprint() const { return text ? lm::fingerprint(text->training(), text->validation()) : 0; }

  /// Which tokens of `batch` sequences are learned: all of a text, the answer of a problem.
  std::vector<unsigned char> learned(int batch) const {
    std::vector<unsigned char> marks(static_cast<std::size_t>(batch) * static_cast<std::size_t>(length));
    for (std::size_t i = 0; i < marks.size(); ++i)
      marks[i] = is_text() || i % problem_length >= prompt_length;
    return marks;
  }

  /// Fills [batch, length] ids with the next training sequences.
  void draw(philox& rng, std::span<int> ids) const {
    for (std::size_t at = 0; at < ids.size(); at += static_cast<std::size_t>(length)) {
      auto const window = ids.subspan(at, static_cast<std::size_t>(length));
      if (text) random_window(rng, text->training(), window);
      else std::ranges::copy(encode(make_problem(rng, split::training)), window.begin());
    }
  }

  /// The windows of the validation text, one after another with no overlap; at most `most`.
  std::vector<int> validation_windows(index_t most) const {
    index_t const count = std::min(most, static_cast<index_t>(text->validation().size()) / length);
    std::vector<int> ids(static_cast<std::size_t>(count * length));
    copy_window(text->validation(), 0, ids);
    return ids;
  }

  /// The first `count` test problems; the same ones for every run, whatever its seeds.
  static std::vector<word_problem> test_problems(index_t count) {
    philox rng{0x7e57};
    std::vector<word_problem> out;
    while (std::ssize(out) < count) out.push_back(make_problem(rng, split::test));
    return out;
  }

 private:
  int length;
  std::optional<text_corpus> text;
};

}  // namespace basin::lm
