// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The procedure of every benchmark: check, warm up, sample competitors in turn, report medians and spreads. Competitors
// are sampled A B A B, so that a change of clock or other load affects both alike; ratios are taken sample by sample.

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// A function to time: one call of `run` does `flops` floating-point operations; a sample is the mean of `times` calls.
struct contender {
  std::string name;
  double flops = 0;
  std::function<void()> run;
  int times = 1;
};

/// The number of calls for which a sample takes about 20 ms or more; shorter samples are disturbed by other load.
inline int times_for(double flops) { return flops < 0x1p32 ? static_cast<int>(0x1p32 / flops) : 1; }

/// Median and interquartile range of a set of samples.
struct summary {
  double median = 0, lower = 0, upper = 0;
};

summary summarize(std::vector<double> samples);

/// The seconds of each sample of one contender.
struct timing {
  std::string name;
  double flops = 0;
  std::vector<double> seconds;
};

enum class mode { full, brief, dry };

/// What is timed: one thread by its own processor time, so that time in which another process has the core is not
/// counted; or all threads by the wall clock.
enum class clock { one_thread, wall };

/// One benchmark program: reads the options, runs, reports.
///
/// Errors    report() returns 1 after a failed check; an unknown option exits with 2
/// Example   bench/cpu_forward.cpp
class suite {
 public:
  suite(int argc, char** argv, clock timed_by, std::string question);

  mode how() const { return mode_; }

  /// Checks a result. Results that are wrong are never timed.
  void expect(std::string const& what, std::function<bool()> const& holds);

  /// Times all contenders in turn. Does nothing after a failed check; in a dry run, runs each once without timing.
  std::vector<timing> alternate(std::vector<contender> const& contenders);

  /// A figure that README states: one value per sample, whose median is the claim.
  void claim(std::string const& name, std::string const& meaning, std::vector<double> const& samples);

  /// A figure beside the claims, only in the table and in JSON.
  void note(std::string const& name, std::string const& meaning, std::vector<double> const& samples);

  /// Prints the measurements and returns the exit status of the program.
  int report() const;

 private:
  enum class format { table, json, claims };
  enum class kind { claim, note };
  struct figure {
    kind is;
    std::string name, meaning;
    summary value;
  };

  void print_table(std::FILE* to) const;
  void print_json() const;
  double seconds_of(contender const& c) const;
  /// The largest share of the time of a contest in which its threads were ready to run but had no processor.
  double queued() const;

  std::string question_;
  clock clock_;
  mode mode_ = mode::full;
  format format_ = format::table;
  std::vector<std::string> failures_;
  std::vector<timing> timings_;
  std::vector<double> queued_;
  std::vector<figure> figures_;
};

/// a_i / b_i, sample by sample.
std::vector<double> ratios(std::vector<double> const& a, std::vector<double> const& b);

/// The samples whose median is the largest: the worst case of an overhead.
std::vector<double> worst(std::vector<std::vector<double>> const& cases);

/// The mean of several figures, sample by sample.
std::vector<double> mean(std::vector<std::vector<double>> const& figures);

/// The rate of each sample in operations per second.
std::vector<double> rates(timing const& t);

}  // namespace bench
