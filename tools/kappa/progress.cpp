#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "text.h"

namespace kappa::cli {

namespace {

constexpr std::chrono::milliseconds period(100);

std::size_t columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

void write_to_terminal(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

const char* event_name(Progress::Event event) {
  switch (event) {
    case Progress::Event::start:
      return "start";
    case Progress::Event::accepted:
      return "accepted";
    case Progress::Event::rejected:
      return "rejected";
    case Progress::Event::epoch:
      return "epoch";
  }
  return "unknown";
}

/// "epoch 3  value 0.4211  loss 0.4391  accuracy 0.8432 (best)  12.3 s"
std::string epoch_line(const Progress& p) {
  std::string out = text("epoch %td", p.epoch);
  if (p.epoch_value == p.epoch_value) {
    out += text("  value %.6g", p.epoch_value);
  }
  for (const Measure& m : p.measures) {
    out += text("  %s %.5g", m.name.c_str(), m.value);
  }
  return out + (p.best ? " (best)" : "") +
         text("  %.4g gradients  %.1f s", p.gradient_equivalents, p.seconds);
}

}  // namespace

bool can_redraw() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

ProgressLine::ProgressLine(std::string doing) : line_(std::move(doing)), thread_([this] { draw(); }) {}

ProgressLine::~ProgressLine() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ProgressLine::observe(const Progress& p) {
  // Where a step takes all samples every step is an epoch, and no line of its own unless it was validated.
  if (p.event == Progress::Event::epoch && p.batches <= 1 && p.measures.empty()) {
    return;
  }
  if (p.event == Progress::Event::epoch) {
    const std::string epoch = epoch_line(p) + "\r\n";
    const std::lock_guard lock(mutex_);
    finished_ += epoch;
    return;
  }
  std::string line = text("iteration %td  value %.6g  gradient %.2g  step %.2g", p.iteration, p.value,
                          p.gradient_norm, p.step_norm);
  if (p.batches > 1) {
    line = text("epoch %td  batch %td of %td  value %.6g  step %.2g", p.epoch + 1, p.batch + 1, p.batches,
                p.value, p.step_norm);
  }
  const std::lock_guard lock(mutex_);
  line_ = std::move(line);
}

void ProgressLine::draw() {
  std::unique_lock lock(mutex_);
  bool drawn = false;
  while (!changed_.wait_for(lock, period, [this] { return done_; })) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    std::string line = line_ + text("  %.1f s", seconds);
    const std::string finished = std::exchange(finished_, {});
    lock.unlock();
    line.resize(std::min(line.size(), columns() - 1));  // a longer one would wrap, and could not be redrawn
    write_to_terminal((finished.empty() ? "" : "\r\033[K" + finished) + "\r" + line + "\033[K");
    drawn = true;
    lock.lock();
  }
  if (drawn || !finished_.empty()) {
    write_to_terminal("\r\033[K" + finished_);
  }
}

void IterationTable::observe(const Progress& p) {
  if (p.event == Progress::Event::epoch) {
    std::fprintf(stderr, "%s\n", epoch_line(p).c_str());
    return;
  }
  if (!header_) {
    std::fprintf(stderr, "%9s  %16s  %9s  %9s  %9s  %9s  %-8s  %9s\n", "iteration", "value", "|g|", "step",
                 "control", "ratio", "event", "seconds");
    header_ = true;
  }
  const bool has_step = p.event != Progress::Event::start;
  const std::string step = has_step ? text("%.3g", p.step_norm) : "";
  const std::string ratio = p.ratio == p.ratio ? text("%.3g", p.ratio) : "";
  std::fprintf(stderr, "%9td  %16.9e  %9.3g  %9s  %9.3g  %9s  %-8s  %9.3f\n", p.iteration, p.value,
               p.gradient_norm, step.c_str(), p.control, ratio.c_str(), event_name(p.event), p.seconds);
}

}  // namespace kappa::cli
