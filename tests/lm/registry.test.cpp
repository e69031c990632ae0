// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/policies/registry.hpp, described.hpp and catalogue.hpp: what names make, and what is said of wrong ones.
#include "families.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace lm = basin::lm;

TEST_CASE("every normalizer of the library has a name, and its spelling with all numbers makes it again",
          "[unit][policies]") {
  auto const& all = all_normalizers_by_name();
  CHECK(all.names() == std::vector<std::string>{"adaptive_temperature", "entmax", "entmax15", "relu", "self_adjusted",
                                                "self_adjusted_plain", "sigmoid", "sink_logit", "softmax", "softmax_n",
                                                "softpick", "sparsemax", "squared_relu", "top_k", "top_p"});
  for (auto const& name : all.names())
    for (char const* const law : {"", "*ssmax", "*log_n:trained=64", "*su_log_n", "*yarn:factor=4", "*position_steps",
                                  "*learned_ssmax:learned", "*asentmax:learned"}) {
      std::string const text = lm::to_text(all.find(name + law)->spelled());
      CAPTURE(name, law, text);
      CHECK(lm::to_text(all.find(text)->spelled()) == text);
    }
}

TEST_CASE("numbers are set by name, and what is left out keeps its default", "[unit][policies]") {
  auto const spelled = [](char const* text) { return lm::to_text(all_normalizers_by_name().find(text)->spelled()); };
  CHECK(spelled("softmax:temperature=0.5") == "softmax:temperature=0.5");
  CHECK(spelled("top_k") == "top_k:k=64");
  CHECK(spelled("ssmax:s=0.5") == "softmax:temperature=1*ssmax:s=0.5");
  CHECK(spelled("ssmax:learned") == "softmax:temperature=1*learned_ssmax:learned,s=0.168");
  CHECK(spelled("asentmax:learned,gamma=1") == "entmax15*asentmax:learned,delta=1,beta=0.55,gamma=1");
}

TEST_CASE("learned numbers have names, values to begin with, ranges and a row of the gradients", "[unit][policies]") {
  auto const learned = [](char const* text) { return all_normalizers_by_name().find(text)->learned(); };
  CHECK(learned("entmax").empty());
  auto const both = learned("entmax:learned,alpha=1.25*asentmax:learned");
  REQUIRE(both.size() == 3);
  CHECK((both[0].name == "alpha" && both[0].initial == 1.25 && both[0].allowed.least == 1.001 && both[0].row == 0));
  CHECK((both[1].name == "beta" && both[1].row == 1 && both[2].name == "gamma" && both[2].row == 2));
  auto const of_law = learned("entmax*asentmax:learned");
  REQUIRE(of_law.size() == 2);
  CHECK((of_law[0].name == "beta" && of_law[0].row == 1));      // row 0 is that of alpha, which is not learned
}

TEST_CASE("wrong names and numbers are refused with those that exist", "[unit][policies][errors]") {
  auto const refused = [](char const* text, char const* why) {
    CAPTURE(text);
    CHECK_THROWS_WITH(all_normalizers_by_name().find(text), ContainsSubstring(why));
  };
  refused("sofmax", "there is no normalizer 'sofmax'; there are: adaptive_temperature, entmax, ");
  refused("softmax*sofmax",
          "there is no law 'sofmax' of length; there are: ssmax, log_n, su_log_n, yarn, position_steps, asentmax");
  refused("top_k:n=3", "top_k has no number 'n'; it has: k");
  refused("sparsemax:k=3", "sparsemax has no number 'k'; it has none");
  refused("top_k:k=1.5", "top_k:k is 1.5; it must be a whole number");
  refused("top_k:k=0", "basin::top_k: k is 0; at least one key must be kept");
  refused("entmax:alpha=3", "basin::entmax: alpha is 3; it must be from 1.001 to 2");
  refused("softmax:learned", "softmax has nothing to learn; sink_logit, entmax, ssmax and asentmax have");
  lm::registry twice;
  twice.add<basin::sparsemax, float>();
  CHECK_THROWS_WITH((twice.add<basin::sparsemax, float>()),
                    ContainsSubstring("a normalizer 'sparsemax' is there already"));
}

}  // namespace basin_test
