// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "support/suite.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <xsimd/xsimd.hpp>

#include "basin/version.hpp"

namespace bench {
namespace {

constexpr char const* usage =
    "  --short   fewer samples, as bench/claims.sh runs it\n"
    "  --dry     check and run everything once, at a small size, without timing\n"
    "  --claims  print only the lines 'claim NAME VALUE'\n"
    "  --json    print everything as one JSON object\n";

/// How long to measure: at least `samples` rounds, and on until `budget` seconds are spent. If that would take longer
/// than `limit` seconds, as many rounds as fit, but at least `fewest`.
struct effort {
  int samples;
  double budget;
  int fewest;
  double limit;

  bool wants(int round, double spent) const {
    return round < fewest || (spent < limit && (round < samples || spent < budget));
  }
};

double quantile(std::vector<double> const& sorted, double q) {
  double const rank = q * static_cast<double>(sorted.size() - 1);
  auto const low = static_cast<std::size_t>(rank);
  auto const high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (rank - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double now(clock by) {
  timespec t{};
  clock_gettime(by == clock::one_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The total time in which threads of this program were ready to run but had no processor.
double seconds_in_queue() {
  double sum = 0;
  std::error_code none;
  for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task", none)) {
    double running = 0, waiting = 0;
    std::ifstream(thread.path() / "schedstat") >> running >> waiting;
    sum += 1e-9 * waiting;
  }
  return sum;
}

/// The value after the colon of the first line of /proc/cpuinfo that begins with `key`.
std::string cpu_info(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key) && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

nlohmann::ordered_json conditions(clock by) {
  char const* const commit = std::getenv("BASIN_COMMIT");
  std::string const version = std::to_string(BASIN_VERSION_MAJOR) + "." + std::to_string(BASIN_VERSION_MINOR) + "." +
                              std::to_string(BASIN_VERSION_PATCH);
  return {{"processor", cpu_info("model name")},
          {"mhz_now", cpu_info("cpu MHz")},
          {"instructions", xsimd::default_arch::name()},
          {"threads", omp_get_max_threads()},
          {"timed_by", by == clock::one_thread ? "processor time of the thread" : "wall clock"},
          {"compiler", __VERSION__},
          {"basin", version},
          {"commit", commit ? commit : "unknown"}};
}

}  // namespace

summary summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {quantile(samples, 0.5), quantile(samples, 0.25), quantile(samples, 0.75)};
}

std::vector<double> ratios(std::vector<double> const& a, std::vector<double> const& b) {
  std::vector<double> out(a.size());
  std::transform(a.begin(), a.end(), b.begin(), out.begin(), [](double x, double y) { return x / y; });
  return out;
}

std::vector<double> worst(std::vector<std::vector<double>> const& cases) {
  if (cases.empty() || cases.front().empty()) return {};
  return *std::max_element(cases.begin(), cases.end(),
                           [](auto const& a, auto const& b) { return summarize(a).median < summarize(b).median; });
}

std::vector<double> mean(std::vector<std::vector<double>> const& figures) {
  if (figures.empty()) return {};
  std::vector<double> out(figures.front().size());
  for (auto const& figure : figures)
    for (std::size_t n = 0; n < out.size(); ++n) out[n] += figure[n] / static_cast<double>(figures.size());
  return out;
}

std::vector<double> rates(timing const& t) {
  std::vector<double> out(t.seconds.size());
  std::transform(t.seconds.begin(), t.seconds.end(), out.begin(), [&](double s) { return t.flops / s; });
  return out;
}

suite::suite(int argc, char** argv, clock timed_by, std::string question)
    : question_(std::move(question)), clock_(timed_by) {
  if (clock_ == clock::one_thread) omp_set_num_threads(1);
  for (int i = 1; i < argc; ++i) {
    std::string_view const option = argv[i];
    if (option == "--short") mode_ = mode::brief;
    else if (option == "--dry") mode_ = mode::dry;
    else if (option == "--claims") format_ = format::claims;
    else if (option == "--json") format_ = format::json;
    else {
      bool const help = option == "--help" || option == "-h";
      std::fprintf(help ? stdout : stderr, "%s%s\n\nusage: %s [--short | --dry] [--claims | --json]\n%s",
                   help ? "" : ("unknown option '" + std::string(option) + "'\n\n").c_str(), question_.c_str(), argv[0],
                   usage);
      std::exit(help ? 0 : 2);
    }
  }
}

double suite::seconds_of(contender const& c) const {
  double const start = now(clock_);
  for (int n = 0; n < c.times; ++n) c.run();
  return (now(clock_) - start) / c.times;
}

void suite::expect(std::string const& what, std::function<bool()> const& holds) {
  if (!holds()) failures_.push_back(what);
}

std::vector<timing> suite::alternate(std::vector<contender> const& contenders) {
  std::vector<timing> out;
  for (auto const& c : contenders) out.push_back({c.name, c.flops, {}});
  if (!failures_.empty()) return out;
  for (auto const& c : contenders) c.run();                      // warm up: pages, caches, clocks
  if (mode_ == mode::dry) return out;
  effort const plan = mode_ == mode::brief ? effort{30, 2, 10, 20} : effort{100, 10, 30, 90};
  double spent = 0;
  double const queued = seconds_in_queue();
  for (int round = 0; plan.wants(round, spent); ++round)
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      out[c].seconds.push_back(seconds_of(contenders[c]));
      spent += contenders[c].times * out[c].seconds.back();
    }
  double const waited = seconds_in_queue() - queued;             // in the wall time, but not in the processor time
  queued_.push_back(waited / (clock_ == clock::one_thread ? spent + waited : spent * omp_get_max_threads()));
  timings_.insert(timings_.end(), out.begin(), out.end());
  return out;
}

void suite::claim(std::string const& name, std::string const& meaning, std::vector<double> const& samples) {
  if (!samples.empty()) figures_.push_back({kind::claim, name, meaning, summarize(samples)});
}

void suite::note(std::string const& name, std::string const& meaning, std::vector<double> const& samples) {
  if (!samples.empty()) figures_.push_back({kind::note, name, meaning, summarize(samples)});
}

double suite::queued() const { return queued_.empty() ? 0 : *std::max_element(queued_.begin(), queued_.end()); }

void suite::print_table(std::FILE* to) const {
  std::fprintf(to, "%s\n", question_.c_str());
  auto const machine = conditions(clock_);
  for (auto const& [key, value] : machine.items())
    std::fprintf(to, "  %-13s %s\n", key.c_str(),
                 (value.is_string() ? value.get<std::string>() : value.dump()).c_str());
  if (!timings_.empty())
    std::fprintf(to, "\n  %-48s %10s %8s %9s %8s\n", "", "median ms", "spread", "GFLOP/s", "samples");
  for (auto const& t : timings_) {
    auto const s = summarize(t.seconds);
    std::fprintf(to, "  %-48s %10.3f %7.1f%% %9.1f %8zu\n", t.name.c_str(), s.median * 1e3,
                 100 * (s.upper - s.lower) / s.median, t.flops / s.median * 1e-9, t.seconds.size());
  }
  if (!queued_.empty())
    std::fprintf(to, "\n  time in which threads waited for a processor (busy machine): %.1f %%\n", 100 * queued());
  for (auto const& f : figures_)
    std::fprintf(to, "\n  %s = %.4f (quartiles %.4f to %.4f)\n    %s\n", f.name.c_str(), f.value.median, f.value.lower,
                 f.value.upper, f.meaning.c_str());
}

void suite::print_json() const {
  auto const none = nlohmann::ordered_json::array();
  nlohmann::ordered_json all = {{"question", question_}, {"conditions", conditions(clock_)},
                                {"queued", queued()},    {"timings", none},
                                {"claims", none},        {"notes", none}};
  for (auto const& t : timings_) {
    auto const s = summarize(t.seconds);
    all["timings"].push_back({{"name", t.name}, {"flops", t.flops}, {"samples", t.seconds.size()},
                              {"median_seconds", s.median}, {"lower_quartile", s.lower}, {"upper_quartile", s.upper}});
  }
  for (auto const& f : figures_)
    all[f.is == kind::claim ? "claims" : "notes"].push_back({{"name", f.name},
                                                             {"value", f.value.median},
                                                             {"lower_quartile", f.value.lower},
                                                             {"upper_quartile", f.value.upper},
                                                             {"meaning", f.meaning}});
  std::printf("%s\n", all.dump(2).c_str());
}

int suite::report() const {
  for (auto const& what : failures_) std::fprintf(stderr, "wrong, so not timed: %s\n", what.c_str());
  if (!failures_.empty()) return 1;
  if (mode_ == mode::dry) {
    std::printf("%s\n  checked and run once; nothing was timed\n", question_.c_str());
    return 0;
  }
  if (format_ == format::json) print_json();
  else print_table(format_ == format::claims ? stderr : stdout);
  if (format_ == format::claims)
    for (auto const& f : figures_)
      if (f.is == kind::claim) std::printf("claim %s %.4f\n", f.name.c_str(), f.value.median);
  return 0;
}

}  // namespace bench
