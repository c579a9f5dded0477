// The command line of kappa solve.
#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "core/option_checks.h"
#include "plugins.h"
#include "solve.h"

namespace kappa::cli {

namespace {

constexpr Index most_threads = 1024;

/// Numbers are read as options of parts are, so "1e4" is a count and the messages are alike.
double read_number(const char* option, const std::string& text, double example) {
  return std::get<double>(detail::convert_option("solve", option, text, example));
}

double read_tolerance(const char* option, const std::string& text, double example) {
  const double out = read_number(option, text, example);
  detail::require_option(out >= 0, "solve", option, out,
                         "it must be at least 0, which switches the test off");
  return out;
}

Index read_count(const char* option, const std::string& text, Index example, Index least) {
  const OptionValue out = detail::convert_option("solve", option, text, std::int64_t{example});
  const Index count = std::get<std::int64_t>(out);
  detail::require_option(count >= least, "solve", option, out,
                         "it must be at least " + std::to_string(least));
  return count;
}

Index read_threads(const std::string& text) {
  const Index out = read_count("--threads", text, 4, 1);
  detail::require_option(out <= most_threads, "solve", "--threads", std::int64_t{out},
                         "it must be at most " + std::to_string(most_threads));
  return out;
}

/// An option whose text `take` reads, and which says what it takes and its default.
CLI::Option* add(CLI::App& app, const char* option, const char* type, const std::string& description,
                 std::function<void(const std::string&)> take) {
  return app.add_option_function<std::string>(option, std::move(take), description)->type_name(type);
}

void add_method(CLI::App& app, MethodChoice& method) {
  const char* group = "Method (names: kappa list)";
  add(app, "--optimizer", "NAME", "Recipe to start from [" + method.optimizer + "]",
      [&](const std::string& text) { method.optimizer = text; })
      ->group(group);
  add(app, "--curvature", "NAME", "Curvature instead of the recipe's", [&](const std::string& text) {
    method.curvature = text;
  })->group(group);
  add(app, "--step", "NAME", "Step solver instead of the recipe's", [&](const std::string& text) {
    method.step = text;
  })->group(group);
  add(app, "--acceptance", "NAME", "Acceptance instead of the recipe's", [&](const std::string& text) {
    method.acceptance = text;
  })->group(group);
  add(app, "--preconditioner", "NAME",
      "Curvature that preconditions conjugate gradients, or none [the recipe's]",
      [&](const std::string& text) { method.preconditioner = text; })
      ->group(group);
  app.add_option("--set", method.settings, "An option of a part in use; may be given many times")
      ->type_name("PART.OPTION=VALUE")
      ->allow_extra_args(false)
      ->group(group);
  add(app, "--metric", "NAME",
      "How steps are measured: identity, marquardt, minpack or automatic [the recipe's]",
      [&](const std::string& text) { method.metric = text; })
      ->group(group);
  add(app, "--batch", "N", "Terms each step sees; 0: all [the recipe's]", [&](const std::string& text) {
    method.batch = read_count("--batch", text, 32, 0);
  })->group(group);
  add(app, "--seed", "S", "Of the mini-batches [1]", [&](const std::string& text) {
    method.seed = static_cast<std::uint64_t>(read_count("--seed", text, 1, 0));
  })->group(group);
}

void add_stopping(CLI::App& app, Stopping& stopping) {
  const char* group = "Stopping (a tolerance of 0 switches its test off)";
  const auto tolerance = [&](const char* option, double& value, const char* description) {
    add(app, option, "X", std::string(description) + " [" + to_text(value) + "]",
        [&value, option](const std::string& text) { value = read_tolerance(option, text, 1e-8); })
        ->group(group);
  };
  const auto count = [&](const char* option, Index& value, const char* description) {
    add(app, option, "N", std::string(description) + " [" + to_text(std::int64_t{value}) + "]",
        [&value, option](const std::string& text) { value = read_count(option, text, 1000, 0); })
        ->group(group);
  };
  count("--max-iterations", stopping.max_iterations, "Accepted steps");
  count("--max-evaluations", stopping.max_evaluations, "Trial values");
  count("--epochs", stopping.max_epochs, "Passes over all terms, instead of --max-iterations; 0: no limit");
  tolerance("--gradient-tolerance", stopping.gradient_tolerance, "Largest gradient entry at most X");
  tolerance("--decrease-tolerance", stopping.decrease_tolerance, "Predicted gain at most X times the value");
  tolerance("--step-tolerance", stopping.step_tolerance, "Step at most X times the length of x");
  add(app, "--target", "F", "Value at most F [off]", [&](const std::string& text) {
    stopping.target = read_number("--target", text, 0);
  })->group(group);
  add(app, "--time-limit", "SECONDS", "[none]", [&](const std::string& text) {
    const double seconds = read_number("--time-limit", text, 60);
    detail::require_option(seconds >= 0, "solve", "--time-limit", seconds, "it must be at least 0");
    stopping.time_limit = std::chrono::duration<double>(seconds);
  })->group(group);
}

void add_learning(CLI::App& app, SolveArguments& given) {
  const char* group = "Learning";
  app.add_option("--validation", given.validation,
                 "Data that is not learnt from, by which the best point is chosen after each epoch")
      ->type_name("TARGET")
      ->group(group);
  app.add_option("--validation-measure", given.validation_measure,
                 "Which of its measures decides, such as accuracy [the first]")
      ->type_name("NAME")
      ->group(group);
  add(app, "--patience", "N", "Stop after N epochs without a better measure; 0: never [0]",
      [&](const std::string& text) { given.patience = read_count("--patience", text, 5, 0); })
      ->group(group);
}

void add_checkpoint(CLI::App& app, Checkpoint& checkpoint) {
  const char* group = "Checkpoints";
  app.add_option("--checkpoint", checkpoint.path,
                 "Save the state there, at the start, as often as asked for, and at the end")
      ->type_name("FILE")
      ->group(group);
  add(app, "--checkpoint-every", "N|Ns", "Accepted steps, or seconds as in 30s, from one to the next [60s]",
      [&](const std::string& text) {
        checkpoint.iterations = 0;
        checkpoint.seconds = 0;
        if (!text.empty() && text.back() == 's') {
          checkpoint.seconds = read_number("--checkpoint-every", text.substr(0, text.size() - 1), 60);
        } else {
          checkpoint.iterations = read_count("--checkpoint-every", text, 100, 1);
        }
        detail::require_option(checkpoint.iterations > 0 || checkpoint.seconds > 0, "solve",
                               "--checkpoint-every", text, "it must be positive");
      })
      ->group(group);
  app.add_flag_callback(
         "--resume", [&] { checkpoint.start = Checkpoint::Start::resume; },
         "Go on from the file of --checkpoint, to the same bits as without the interruption")
      ->group(group);
}

}  // namespace

void add_solve(CLI::App& app, Run& run) {
  const auto given = std::make_shared<SolveArguments>();
  CLI::App* command = app.add_subcommand("solve", "Solve a target from its start and say how it went");
  command->add_option("TARGET", given->target,
                      "SCHEME:NAME, such as nist:Misra1a, mgh:rosenbrock?factor=10, bal:FILE, g2o:FILE");
  add_method(*command, given->method);
  add_stopping(*command, given->stopping);
  add_learning(*command, *given);
  add_checkpoint(*command, given->checkpoint);
  given->plugins = add_plugin_option(*command);
  add(*command, "--threads", "N", "Threads to use [all cores]",
      [given](const std::string& text) { given->threads = read_threads(text); });
  command->add_flag("--json", given->json, "One JSON object on standard output instead of the summary");
  command->add_flag("--verbose", given->verbose, "A table of the iterations on standard error");
  command
      ->add_option("--output", given->output,
                   "Write the solution: as a BAL file for bal, a g2o file for g2o, else a number a line")
      ->type_name("FILE");
  command
      ->add_option("--picture", given->picture,
                   "Draw it: .html shows start and solution (bal, g2o), .ply holds the solution for mesh "
                   "viewers, .png "
                   "shows what a network of images has learned")
      ->type_name("FILE");
  command
      ->add_option(
          "--covariance", given->covariance.path,
          "Write the covariance of each parameter block at the solution (.csv or .json), and say what "
          "the residuals leave undetermined")
      ->type_name("FILE");
  command
      ->add_option("--of", given->covariance.of,
                   "Of blocks with this name only, such as 'camera *'; may be given many times")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->footer(R"(Ctrl-C ends the solve with the best point so far; a second one kills.
Exit status: 0 converged (or all epochs made, or ended by --patience), 1 not converged, 2 set-up error, 130 stopped by Ctrl-C.)");
  command->callback([given, &run] {
    if (given->target.empty()) {
      throw Error("solve needs a target, SCHEME:NAME, such as nist:Misra1a; kappa list shows the schemes");
    }
    if (given->checkpoint.start == Checkpoint::Start::resume && given->checkpoint.path.empty()) {
      throw Error("--resume needs the file to go on from; give --checkpoint FILE");
    }
    if (given->validation.empty() && (given->patience > 0 || !given->validation_measure.empty())) {
      throw Error("--patience and --validation-measure are of the validation data; give --validation TARGET");
    }
    run = [given] { return solve(*given); };
  });
}

}  // namespace kappa::cli
