// What a person sees on standard error while a solve runs: one line that is redrawn, or a table of
// iterations.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "kappa/minimize.h"

namespace kappa::cli {

/// Whether standard error is a terminal that can redraw a line.
bool can_redraw();

/// One line, redrawn ten times a second by a thread of its own, so that it moves during a long iteration too.
/// Above it a line stays for each epoch.
/// Nothing is drawn in the first tenth of a second. The line is cleared at the end.
class ProgressLine final : public Observer {
 public:
  /// `doing` is shown until the first iteration: "reading bal:FILE".
  explicit ProgressLine(std::string doing);
  ~ProgressLine() override;

  void observe(const Progress& progress) override;

 private:
  void draw();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::string line_;
  std::string finished_;  ///< lines of epochs that are not drawn yet
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::thread thread_;
};

/// A row for each trial, printed at once.
class IterationTable final : public Observer {
 public:
  void observe(const Progress& progress) override;

 private:
  bool header_ = false;
};

}  // namespace kappa::cli
