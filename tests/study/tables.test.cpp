// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/evaluation/statistics.hpp, csv.hpp, stage.hpp, number_text.hpp and terminal.hpp,
// examples/study/findings.hpp, summary.hpp and tables.hpp,
// include/basin/lm/evaluation/suitability.hpp and unmasking_options.hpp
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "basin/lm/evaluation/suitability.hpp"
#include "programs/unmasking_options.hpp"
#include "report/stage.hpp"
#include "report/terminal.hpp"
#include "study/findings.hpp"
#include "study/summary.hpp"
#include "study/tables.hpp"
#include "support/catch.hpp"

namespace basin::study {

TEST_CASE("a mean has the error of a mean, and leaves out what is undefined", "[unit][study]") {
  auto const e = mean_of(std::vector<double>{1, 2, NAN, 3, 6});
  CHECK(e.mean == 3.0);
  CHECK(e.standard_error == Approx(std::sqrt((4 + 1 + 0 + 9) / 3.0 / 4)));
  CHECK(e.count == 4);
  CHECK(std::isnan(mean_of(std::vector<double>{}).mean));
  CHECK(std::isnan(mean_of(std::vector<double>{5}).standard_error));
}

TEST_CASE("the error of an accuracy is binomial", "[unit][study]") {
  std::vector<double> right(100, 0.0);
  std::fill_n(right.begin(), 30, 1.0);
  CHECK(mean_of(right).standard_error == Approx(std::sqrt(0.3 * 0.7 / 99)));
}

TEST_CASE("draws of random keys are averaged item by item, and differences are paired", "[unit][study]") {
  std::vector<scores> all;  // g++ 12 at -O2 misreads the same as one nested initializer list
  auto const add = [&](char const* name, masking_plan plan, index_t draw, double a, double b, double c, double d) {
    all.push_back({{name, plan, draw}, std::vector<double>(4)});
    all.back().items[0] = a, all.back().items[1] = b, all.back().items[2] = c, all.back().items[3] = d;
  };
  add("nothing", {}, 0, 1, 1, 1, 0);
  add("sinks", {drop::strongest, 5, evidence::last_pass, 0}, 0, 0, 1, 0, 0);
  add("random keys", {drop::random, 5, evidence::last_pass, 1}, 0, 1, 1, 1, 0);
  add("random keys", {drop::random, 5, evidence::last_pass, 2}, 1, 1, 1, 0, 0);
  auto const out = summarise(all);
  REQUIRE(out.size() == 3);
  CHECK(out[0].score.mean == 0.75);
  CHECK(std::isnan(out[0].against_nothing.mean));
  CHECK(out[1].against_nothing.mean == -0.5);
  CHECK(out[1].against_random.mean == Approx(-0.375));  // -1, 0, -0.5, 0
  CHECK(out[1].against_random.standard_error == Approx(std::sqrt((0.390625 + 0.140625 + 0.015625 + 0.140625) / 3 / 4)));
  CHECK(out[2].draws == 2);
  CHECK(out[2].score.mean == 0.625);
  CHECK(std::isnan(out[2].against_random.mean));
}

TEST_CASE("fields of a table are quoted where they must be, and NaN is empty", "[unit][study]") {
  csv table("a,b");
  table.row(std::string("x,y"), 0.25);
  table.row("say \"so\"", NAN);
  table.row("plain", index_t{7});
  CHECK(table.text() == "a,b\n\"x,y\",0.25\n\"say \"\"so\"\"\",\nplain,7\n");
}

TEST_CASE("figures in words are never minus zero", "[unit][study]") {
  CHECK(text_of(estimate{-0.0004, 0.01, 5}, 1, 100) == "0.0 ± 1.0");
  CHECK(text_of(0.8125, 1, 100) == "81.2");
  CHECK(text_of(estimate{}, 1) == "undefined");
  CHECK(report::cell_of(NAN) == "-");
  CHECK(report::cell_of(0.0) == "0.000");
  CHECK(report::cell_of(123.4) == "123");
  CHECK(report::cell_of(-1.234) == "-1.23");
  CHECK(report::cell_of(0.00012) == "1.20e-04");
}

TEST_CASE("the line of a stage is shorter than the terminal, and keeps its share where the bar does not fit",
          "[unit][study]") {
  CHECK(report::stage_line("hiding sinks", 1, 2, 80) ==
        "hiding sinks" + std::string(32, ' ') + " [##########----------]  50 %");
  CHECK(report::stage_line("hiding sinks", 1, 2, 40) == " 50 %  hiding sinks");
  CHECK(report::stage_line("hiding sinks", 0, 0, 80).ends_with("[--------------------]   0 %"));
  for (int columns = 1; columns < 100; ++columns)
    CHECK(static_cast<int>(report::stage_line("layers x normalizers", 7, 7, columns).size()) < columns);
}

TEST_CASE("text is wrapped at spaces, and columns of a table are as wide as their widest cell", "[unit][study]") {
  CHECK(report::wrapped("one two three", 2, 9) == "  one two\n  three\n");
  CHECK(report::wrapped("unbreakable", 1, 5) == " unbreakable\n");
  CHECK(report::wrapped("", 2).empty());
  CHECK(report::columns_of("1 ± 2") == 5);
  report::text_table table({"name", "x"});
  table.row({"a", "1 ± 2"});
  table.row({"b", ""});
  CHECK(table.text() == "  name      x\n  a     1 ± 2\n  b\n");
}

TEST_CASE("the definition of a sink has the unit of the rule", "[unit][study]") {
  CHECK(detail::sink_definition({sinks::scale::column_sum, 3}) ==
        "An attention sink of a head is a key that receives at least 3 queries' worth of attention more than the "
        "average other key.");
  CHECK(detail::sink_definition({sinks::scale::column_sum, 1}).find("1 query's worth") != std::string::npos);
  CHECK(detail::sink_definition({sinks::scale::percent, 4.5}).find("4.5 % of the attention") != std::string::npos);
  CHECK(detail::sink_definition({sinks::scale::mean, 0.03}).find("a share of 0.03") != std::string::npos);
}

TEST_CASE("a change is named by its direction", "[unit][study]") {
  CHECK(detail::change_words(0.5, 0.25) == "falls by a factor of 2.0");
  CHECK(detail::change_words(0.25, 0.5) == "rises by a factor of 2.0");
  CHECK(detail::change_words(0.5, 0.49) == "stays as it is");
  CHECK(detail::change_words(0.5, 0) == "has no defined change");
  CHECK(detail::change_words(0, 0) == "has no defined change");
  CHECK(detail::change_words(NAN, 0.5) == "has no defined change");
}

TEST_CASE("blocks fit the bytes where --block is not given, and what is given must", "[unit][study]") {
  CHECK(programs::unmasking_of({}, 40, 24).block == 8);
  CHECK(programs::unmasking_of({}, 15, 15).block == 5);
  CHECK(programs::unmasking_of({}, 0, 7).block == 7);
  CHECK(programs::unmasking_of({}, 0, 11).block == 1);
  CHECK(programs::unmasking_of({}, 40, 24).steps == 24);
  CHECK(programs::unmasking_of({.block = 12, .steps = 4}, 40, 24).steps == 4);
  CHECK_THROWS_AS(programs::unmasking_of({.block = 7, .steps = 0}, 40, 24), value_error);
  CHECK_THROWS_AS(programs::unmasking_of({.block = 8, .steps = 4}, 40, 24), value_error);
  CHECK_THROWS_AS(programs::unmasking_of({.block = 8, .steps = 27}, 40, 24), value_error);
  CHECK_THROWS_AS(programs::unmasking_of({.block = 48, .steps = 0}, 40, 24), value_error);
}

TEST_CASE("a model's input is compared by its kind and its bytes, not by the name of its file", "[unit][study]") {
  lm::input_kind const problems, text{"a.txt", 7}, same{"copy.txt", 7}, other{"a.txt", 8};
  CHECK_FALSE(lm::unlike_training(problems, problems, "m"));
  CHECK_FALSE(lm::unlike_training(text, same, "m"));
  for (auto const& [learned, given] : {std::pair{problems, text}, {text, problems}, {text, other}})
    CHECK(lm::unlike_training(learned, given, "m"));
}

TEST_CASE("tokens have names that can be told apart", "[unit][study]") {
  CHECK(token_name(' ') == "space");
  CHECK(token_name('\n') == "newline");
  CHECK(token_name('#') == "#");
  CHECK(token_name(200) == "byte 200");
  CHECK(token_name(lm::mask_id) == "[mask]");
}

TEST_CASE("kinds of tokens follow from their place", "[unit][study]") {
  auto const m = problem_test_set(5, 3);
  int const size = static_cast<int>(m.problems[1].prompt.size());
  CHECK(m.kind_of(1, -1, lm::begin_id) == token_kind::begin);
  CHECK(m.kind_of(1, 0, 'A') == token_kind::prompt);
  CHECK(m.kind_of(1, size - 1, '?') == token_kind::prompt);
  if (size < m.given) CHECK(m.kind_of(1, size, ' ') == token_kind::prompt_padding);
  CHECK(m.kind_of(1, m.given, lm::mask_id) == token_kind::masked);
  CHECK(m.kind_of(1, m.given, '3') == token_kind::answer);
  CHECK(m.kind_of(1, m.length - 1, '.') == token_kind::answer_padding);
  for (index_t i = 0; i < m.count; ++i)
    CHECK(score_of_answer(m, i, m.sequence(i).subspan(static_cast<std::size_t>(m.given))) == 1.0);
}

}  // namespace basin::study
