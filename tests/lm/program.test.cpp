// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers programs/program.hpp, programs/command_line.hpp, basin/lm/io/interval.hpp and basin/lm/io/plain_text.hpp

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "basin/core/error.hpp"
#include "basin/lm/io/plain_text.hpp"
#include "captured_stream.hpp"
#include "programs/command_line.hpp"
#include "programs/program.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
namespace programs = basin::programs;
using basin_test::captured_stream;
using basin_test::ContainsSubstring;

namespace {

struct outcome {
  int code;
  std::string said;
};

/// A program with one option, --count, whose body is given.
outcome run(std::vector<std::string> words, std::function<int()> const& body) {
  int count = 1;
  CLI::App app{"Counts."};
  programs::add_number(app, "--count", count, lm::from_to(1, 8), "how far");
  words.insert(words.begin(), "counts");
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  captured_stream captured{STDERR_FILENO};
  int const code = programs::run_program("counts", app, static_cast<int>(arguments.size()), arguments.data(), body);
  return {code, captured.text()};
}

template <class Error>
outcome thrown(Error const& what) {
  return run({}, [&]() -> int { throw what; });
}

}  // namespace

TEST_CASE("control characters and bytes that are not UTF-8 are written as escapes", "[unit][program]") {
  REQUIRE(lm::printable("plain, größe, 漢, 🙂") == "plain, größe, 漢, 🙂");
  REQUIRE(lm::printable("\x1b[31m") == "\\x1b[31m");
  REQUIRE(lm::printable("a\nb\tc\rd\x7f") == "a\\nb\\tc\\x0dd\\x7f");
  REQUIRE(lm::printable(std::string_view("\0", 1)) == "\\x00");
  REQUIRE(lm::printable("\xc2\x9b") == "\\xc2\\x9b");        // CSI as UTF-8
  REQUIRE(lm::printable("\x9b") == "\\x9b");                 // CSI as a byte
  REQUIRE(lm::printable("\xc3") == "\\xc3");                 // cut short
  REQUIRE(lm::printable("\xc0\x9b\xed\xa0\x80\xf5\x80\x80\x80") ==
          "\\xc0\\x9b\\xed\\xa0\\x80\\xf5\\x80\\x80\\x80");  // overlong, surrogate, beyond
  for (int c = 0; c < 256; ++c)
    for (char const x : lm::printable(std::string(1, static_cast<char>(c)))) REQUIRE((x >= 0x20 && x < 0x7f));
}

TEST_CASE("a quotation and a message are cut between characters, with what was left out", "[unit][program]") {
  REQUIRE(lm::quotation("name") == "'name'");
  REQUIRE(lm::quotation(std::string(81, 'a')) == "'" + std::string(80, 'a') + "...' (and 1 bytes more)");
  REQUIRE(lm::quotation(std::string(79, 'a') + "üb") == "'" + std::string(79, 'a') + "...' (and 3 bytes more)");
  std::string const whole(2000, 'a');
  REQUIRE(lm::terminal_message(whole) == whole);
  auto const cut = lm::terminal_message("head" + std::string(300'000, 'a') + "remedy");
  REQUIRE(cut.size() < 2100);
  REQUIRE(cut.starts_with("headaaa"));
  REQUIRE(cut.ends_with("aaaremedy"));
  REQUIRE_THAT(cut, ContainsSubstring(" [... 298010 bytes left out ...] "));
}

TEST_CASE("a number that its type cannot hold or its interval excludes is refused with the rule", "[unit][program]") {
  using programs::number_from;
  REQUIRE(number_from("--n", "8", lm::from_to(1, 8)) == 8);
  REQUIRE(number_from("--n", "-5", lm::any_number<int>()) == -5);
  REQUIRE(number_from("--n", "010", lm::any_number<int>()) == 10);
  REQUIRE(number_from("--n", "18446744073709551615", lm::any_number<std::uint64_t>()) ==
          std::numeric_limits<std::uint64_t>::max());
  REQUIRE(number_from("--x", "1e-3", lm::any_number<double>()) == 1e-3);
  for (std::string const text :
       {"0", "9", "-5", "1.9", "1e0", "+1", " 1", "1 ", "", "x", "0x1", "4294967298", "99999999999999999999"}) {
    CAPTURE(text);
    REQUIRE_THROWS_WITH(number_from("--n", text, lm::from_to(1, 8)),
                        ContainsSubstring("--n is '" + text + "'; it must be a whole number from 1 to 8"));
  }
  for (std::string const text : {"-1", "18446744073709551616", "1.5"}) {
    CAPTURE(text);
    REQUIRE_THROWS_AS(number_from("--n", text, lm::any_number<std::uint64_t>()), basin::value_error);
  }
  for (std::string const text : {"nan", "-nan", "inf", "-inf", "infinity", "1e400", "0", "-1", "1x", ""}) {
    CAPTURE(text);
    REQUIRE_THROWS_WITH(number_from("--x", text, lm::above(0.0)),
                        ContainsSubstring("it must be a finite number above 0"));
  }
  REQUIRE_THROWS_AS(number_from("--x", "1e39", lm::any_number<float>()), basin::value_error);
}

TEST_CASE("a rule names the bounds that were chosen, not those of the type", "[unit][program]") {
  REQUIRE(lm::any_number<double>().rule() == "a finite number");
  REQUIRE(lm::any_number<int>().rule() == "a whole number");
  REQUIRE(lm::any_number<std::uint64_t>().rule() == "a whole number from 0 to 18446744073709551615");
  REQUIRE(lm::at_least(1).rule() == "a whole number of at least 1");
  REQUIRE(lm::at_least(0.0).rule() == "a finite number of at least 0");
  REQUIRE(lm::from_to(0.5, 1e9).rule() == "a finite number from 0.5 to 1e+09");
  REQUIRE_FALSE(lm::any_number<double>().has(NAN));
  REQUIRE_FALSE(lm::any_number<double>().has(INFINITY));
  REQUIRE_FALSE(lm::above(0.0).has(0));
}

TEST_CASE("a choice out of a list is refused with the list", "[unit][program]") {
  std::string kind = "b";
  CLI::App app{""};
  programs::add_choice(app, "--kind", kind, {"a", "b", "c"}, "which");
  REQUIRE_THROWS_WITH(app.parse("--kind d"), ContainsSubstring("--kind is 'd'; it must be 'a', 'b' or 'c'"));
  app.parse("--kind c");
  REQUIRE(kind == "c");
}

TEST_CASE("what goes wrong is one line on stderr and the same exit code in every program", "[unit][program]") {
  REQUIRE(run({}, [] { return 0; }).code == 0);
  REQUIRE(run({"--count", "3"}, [] { return 0; }).said.empty());
  REQUIRE(thrown(basin::value_error("basin: no")).code == 2);
  REQUIRE(thrown(basin::shape_error("no")).code == 2);
  REQUIRE(thrown(basin::file_error("no")).code == 2);
  REQUIRE(thrown(basin::unsupported_error("no")).code == 2);
  REQUIRE(thrown(lm::write_error("no room")).code == 1);
  REQUIRE(thrown(basin::error("device")).code == 1);
  REQUIRE(thrown(std::bad_alloc()).code == 1);
  REQUIRE(thrown(std::runtime_error("no")).code == 1);
  REQUIRE(thrown(basin::value_error("basin: no\x1b[1m")).said == "counts: no\\x1b[1m\n");
  REQUIRE(thrown(std::bad_alloc()).said == "counts: out of memory; free some, or choose smaller sizes\n");
  auto const json = run({}, [] { return nlohmann::json::parse("5").at("x").get<int>(); });
  REQUIRE(json.code == 1);
  REQUIRE_THAT(json.said, !ContainsSubstring("[json.exception"));
  auto const wrong = run({"--count", "0"}, [] { return 0; });
  REQUIRE(wrong.code == 2);
  REQUIRE(wrong.said == "counts: --count is '0'; it must be a whole number from 1 to 8\n");
  auto const unknown = run({"--cuont\x1b[1m", "0"}, [] { return 0; });
  REQUIRE(unknown.code == 2);
  REQUIRE_THAT(unknown.said, ContainsSubstring("\\x1b[1m") && ContainsSubstring("see counts --help"));
  basin::programs::interrupt_guard const guard;
  std::raise(SIGTERM);
  REQUIRE(programs::interrupted());
  REQUIRE(thrown(programs::stopped_by_signal("stopped")).code == 143);
}
