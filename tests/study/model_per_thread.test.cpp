// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers examples/study/model_per_thread.hpp
#include <omp.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "study/model_per_thread.hpp"
#include "support/catch.hpp"

namespace basin::study {

namespace {

/// A model of one number.
class number {
 public:
  explicit number(int) : value(1) {}
  number twin() const { return number(0); }
  std::vector<nn::parameter<float>> parameters() { return {{"value", {1}, std::span(value), {}}}; }
  void send() {}
  std::vector<float> value;
};

}  // namespace

TEST_CASE("a call per item, each with a model equal to the first, on any number of threads", "[study]") {
  int const before = omp_get_max_threads();
  for (int const threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    number lead(0);
    lead.value[0] = 7;
    std::vector<float> seen(100);
    model_per_thread<number>(lead).each(100,
                            [&](number& mine, index_t item) { seen[static_cast<std::size_t>(item)] += mine.value[0]; });
    CAPTURE(threads);
    CHECK(seen == std::vector<float>(100, 7));
  }
  omp_set_num_threads(before);
}

TEST_CASE("all items are computed, and the exception of the lowest failing item is thrown", "[study]") {
  number lead(0);
  std::vector<int> done(40);
  std::string said;
  try {
    model_per_thread<number>(lead).each(40, [&](number&, index_t item) {
      if (item % 10 == 7) throw std::runtime_error(std::to_string(item));
      done[static_cast<std::size_t>(item)] = 1;
    });
  } catch (std::runtime_error const& what) {
    said = what.what();
  }
  CHECK(said == "7");
  for (std::size_t item = 0; item < done.size(); ++item) CHECK(done[item] == (item % 10 != 7));
}

}  // namespace basin::study
