// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model that learned word problems with entmax15 answers them as well after it is loaded again, and not with softmax.
#include <string>
#include <vector>

#include "basin/lm/evaluation/word_problem_answers.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/training/trainer.hpp"
#include "programs/normalizers_by_name.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::scratch;

namespace {

std::vector<int> answers_of(lm::autoregressive_model& model, std::vector<lm::word_problem> const& problems) {
  return lm::answers_left_to_right(model, problems);
}

}  // namespace

TEST_CASE("a model trained with entmax15 has its accuracy again when it is loaded, and another with softmax",
          "[slow][train]") {
  auto const& known = basin::programs::normalizers_by_name();
  scratch const folder;
  lm::run_options options{.objective = "ar", .steps = 450, .dim = 64, .layers = 2, .heads = 4, .kv_heads = 4,
                          .hidden = 172, .learning_rate = 3e-3, .attention = "entmax15"};
  lm::run_data const data{options};
  lm::autoregressive_trainer run{options, data, known};
  while (run.steps_done() < options.steps) run.step();
  run.save(folder / "c", "train");
  auto const problems = lm::run_data::test_problems(200);
  auto const trained = answers_of(run.model(), problems);
  double const accuracy = lm::accuracy(problems, trained).mean;
  auto const saved = lm::load_model(folder / "c", known);
  auto loaded = lm::restore<lm::autoregressive_model>(saved, known);
  CHECK(accuracy > 0.2);
  CHECK(answers_of(loaded, problems) == trained);

  lm::autoregressive_model with_softmax(lm::architecture(options), 0, lm::policies_of({.layers = 2}, known));
  lm::read_weights(saved.tensors, with_softmax.parameters());
  double const softmaxed = lm::accuracy(problems, answers_of(with_softmax, problems)).mean;
  CAPTURE(accuracy, softmaxed);
  CHECK(softmaxed < accuracy / 2);
  WARN("accuracy " << accuracy << " with entmax15, " << softmaxed << " with softmax on the same weights");
}
