// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/policies/spelling.hpp: what a text means, and what is said where it means nothing.
#include "basin/lm/policies/spelling.hpp"
#include "support/catch.hpp"

namespace basin_test {

namespace lm = basin::lm;

TEST_CASE("a normalizer is spelled as a name, numbers and a law", "[unit][policies]") {
  CHECK(lm::parse_normalizer("softmax") == lm::spelled_normalizer{{"softmax", {}, false}, {}});
  CHECK(lm::parse_normalizer(" top_k : k = 16 ") == lm::spelled_normalizer{{"top_k", {{"k", 16}}, false}, {}});
  CHECK(lm::parse_normalizer("sink_logit:learned,logit=-1.5") ==
        lm::spelled_normalizer{{"sink_logit", {{"logit", -1.5}}, true}, {}});
  CHECK(lm::parse_normalizer("entmax15*asentmax:learned") ==
        lm::spelled_normalizer{{"entmax15", {}, false}, lm::spelled_policy{"asentmax", {}, true}});
}

TEST_CASE("a text that spells no normalizer is refused where it stops making sense", "[unit][policies][errors]") {
  auto const refused = [](char const* text, char const* why) {
    CAPTURE(text);
    CHECK_THROWS_WITH(lm::parse_normalizer(text),
                      ContainsSubstring(std::string("'") + text + "' is no policy: " + why));
  };
  refused("", "expected the name of a policy at its end");
  refused("top_k:", "expected the name of a number, or 'learned' at its end");
  refused("top_k:k", "expected '=' after 'k' at its end");
  refused("top_k:k=", "expected a number at its end");
  refused("top_k:k=x", "expected a number at 'x'");
  refused("top_k:k=1,k=2", "'k' is given twice");
  refused("top_k:k=1 2", "expected nothing more at '2'");
  refused("softmax*", "expected the name of a policy at its end");
  refused("softmax*a*b", "expected nothing more at '*b'");
}

TEST_CASE("policies are assigned to layers and heads, and a closer assignment wins", "[unit][policies]") {
  auto const chosen = [](char const* text) { return lm::resolve(lm::parse_assignments(text), 4, 3); };
  using rows = std::vector<std::vector<std::size_t>>;
  CHECK(chosen("softmax") == rows(4, {0, 0, 0}));
  CHECK(chosen("softmax; layers 2-3: entmax15; layer 0 heads 0,2: top_k:k=8") ==
        rows{{2, 0, 2}, {0, 0, 0}, {1, 1, 1}, {1, 1, 1}});
  CHECK(chosen("softmax; head 1: relu; layer 3 head 1: sigmoid") == rows{{0, 1, 0}, {0, 1, 0}, {0, 1, 0}, {0, 2, 0}});
  CHECK(chosen("layers 0-3: softmax;") == rows(4, {0, 0, 0}));
}

TEST_CASE("assignments that do not fit the model are refused", "[unit][policies][errors]") {
  auto const refused = [](char const* text, char const* why) {
    CAPTURE(text);
    CHECK_THROWS_WITH(lm::resolve(lm::parse_assignments(text), 4, 3), ContainsSubstring(why));
  };
  refused("softmax; layer 4: relu", "layer 4 is given relu, but the model has 4 layers, numbered from 0 to 3");
  refused("softmax; heads 1-3: relu", "head 3 is given relu, but the model has 3 heads, numbered from 0 to 2");
  refused("softmax; layer 1: relu; layers 0-2: top_k", "head 0 of layer 1 is given both relu and top_k; give it one");
  refused("softmax; top_k", "head 0 of layer 0 is given both softmax and top_k");
  refused("layer 0: softmax", "head 0 of layer 1 is given no policy");
  refused("softmax; layer 2-1: relu", "the range 2-1 must run upwards");
  refused("softmax; layer -1: relu", "the range -1--1 must run upwards");
  refused("softmax; layer 0 relu", "expected ':' between the layers or heads and their policy");
  refused("softmax, relu", "expected ';' or nothing more");
}

}  // namespace basin_test
