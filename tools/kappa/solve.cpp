#include "solve.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>

#include <cstdio>
#include <exception>
#include <limits>
#include <optional>

#include "command.h"
#include "json.h"
#include "output.h"
#include "picture.h"
#include "plugins.h"
#include "progress.h"
#include "report.h"
#include "signals.h"
#include "text.h"

namespace kappa::cli {

namespace {

constexpr Index most_steps = std::numeric_limits<Index>::max();

std::unique_ptr<Observer> choose_observer(const SolveArguments& given) {
  if (given.verbose) {
    return std::make_unique<IterationTable>();
  }
  if (!given.json && can_redraw()) {
    return std::make_unique<ProgressLine>("reading " + given.target);
  }
  return nullptr;
}

int exit_status(const Result& result, int signal) {
  if (result.termination == Termination::stop_requested && signal != 0) {
    return 128 + signal;
  }
  const bool as_asked =
      result.termination == Termination::max_epochs || result.termination == Termination::early_stopping;
  return result.converged() || as_asked ? status_converged : status_not_converged;
}

}  // namespace

int solve(const SolveArguments& given) {
  load_plugins(*given.plugins);
  const Method method = choose_method(given.method);
  if (!given.output.empty()) {
    check_writable("--output", given.output);
  }
  if (!given.picture.empty()) {
    check_picture(given.picture);
  }
  check_covariance(given.covariance);
  if (!given.checkpoint.path.empty()) {
    check_writable("--checkpoint", given.checkpoint.path);
  }
  SignalWatch signals;
  const int threads = given.threads ? static_cast<int>(*given.threads) : tbb::info::default_concurrency();
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);

  std::unique_ptr<Observer> observer = choose_observer(given);
  const Target target = load_target(given.target);
  if (!given.picture.empty()) {
    check_drawable(target, given.picture);
  }
  std::optional<Target> held_out;
  if (!given.validation.empty()) {
    held_out = load_target(given.validation);
  }
  const Session session{.validation = {.problem = held_out ? held_out->problem.get() : nullptr,
                                       .measure = given.validation_measure,
                                       .patience = given.patience},
                        .checkpoint = given.checkpoint};
  Stopping stopping = given.stopping;
  if (stopping.max_epochs > 0) {  // the epochs are what was asked for
    stopping.max_iterations = std::max(stopping.max_iterations, most_steps);
    stopping.max_evaluations = std::max(stopping.max_evaluations, most_steps);
  }
  stopping.stop = signals.begin();
  const Result result = arena.execute(
      [&] { return minimize(*target.problem, target.x0, method, stopping, observer.get(), session); });
  observer.reset();

  std::optional<TimedCovariance> covariance;
  std::exception_ptr no_covariance;
  if (!given.covariance.path.empty()) {
    try {
      arena.execute([&] {
        covariance.emplace(find_covariance(target, result.x));
        write_covariance(target, covariance->covariance, given.covariance);
      });
    } catch (const Error&) {
      // The solution is shown and kept before that is said.
      no_covariance = std::current_exception();
    }
  }
  const Solved solved{target, result, threads, covariance ? &*covariance : nullptr, given.checkpoint.path};
  print(given.json ? json(solved) : summary(solved));
  if (!given.output.empty()) {
    write_solution(target, result.x, given.output);
  }
  if (!given.picture.empty()) {
    write_picture(solved, given.picture);
  }
  if (no_covariance) {
    std::rethrow_exception(no_covariance);
  }
  return exit_status(result, signals.received());
}

}  // namespace kappa::cli
