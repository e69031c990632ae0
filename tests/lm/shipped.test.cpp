// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers examples/checkpoints: the models that come with the project are what their configurations say

#include <filesystem>
#include <string>

#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/training/trainer.hpp"
#include "programs/normalizers_by_name.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
namespace programs = basin::programs;

namespace {

std::filesystem::path const shipped{BASIN_TEST_CHECKPOINTS};

/// The share of 60 test problems that a shipped model answers rightly.
double share_right(std::string const& objective) {
  auto const& known = programs::normalizers_by_name();
  auto model = lm::restore<lm::llama<lm::attention_by_name>>(lm::load_model(shipped / objective, known), known);
  auto const problems = lm::run_data::test_problems(60);
  auto const answers = objective == "ar" ? lm::answers_left_to_right(model, problems)
                                         : lm::answers_by_unmasking(model, problems);
  return lm::accuracy(problems, answers).mean;
}

}  // namespace

TEST_CASE("both shipped models answer problems that they never saw", "[unit][shipped]") {
  // Both state 0.97 or more of 500; 0.9 of the first 60 leaves room for the rounding of another processor.
  REQUIRE(share_right("ar") >= 0.9);
  REQUIRE(share_right("mdlm") >= 0.9);
}

TEST_CASE("the shipped models are of one build and tell how they were made", "[unit][shipped]") {
  auto const ar = lm::load_model(shipped / "ar").config, mdlm = lm::load_model(shipped / "mdlm").config;
  REQUIRE(ar["architecture"] == mdlm["architecture"]);
  REQUIRE(ar["training"] == mdlm["training"]);
  for (auto const& config : {ar, mdlm}) {
    std::string const objective = config["objective"];
    CAPTURE(objective);
    REQUIRE(lm::options_of(config).objective == objective);
    REQUIRE(config["command"] ==
            "train --objective " + objective + " --problems 1 --out examples/checkpoints/" + objective);
    REQUIRE(config["step"] == config["training"]["steps"]);
    REQUIRE(config["figures"]["step"] == config["step"]);
    REQUIRE(config["figures"]["accuracy"] >= 0.97);
    REQUIRE(nlohmann::ordered_json::parse(basin_test::text_of(shipped / objective / "config.json")) == config);
    REQUIRE(std::filesystem::file_size(shipped / objective / "model.safetensors") <= 8'000'000);
  }
}
