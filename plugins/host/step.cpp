// A plugin's step solver and linear solver as StepSolvers.
#include "kappa/step.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "plugins/host/bridges.h"
#include "plugins/host/object.h"
#include "solvers/step/factored_step.h"

namespace kappa::detail {
namespace {

StepStatus step_status(kappa_status status) {
  switch (status) {
    case KAPPA_OK:
      return StepStatus::ok;
    case KAPPA_INDEFINITE:
      return StepStatus::indefinite;
    case KAPPA_INTERRUPTED:
      return StepStatus::interrupted;
    default:
      return StepStatus::failed;
  }
}

std::int32_t interrupted(const void* interrupt) {
  return interrupt != nullptr && static_cast<const Interrupt*>(interrupt)->requested() ? 1 : 0;
}

class PluginStep final : public StepSolver {
 public:
  PluginStep(const SharedPart& part, const Options& options)
      : object_(part, options), bridge_(object_.caller()) {}

  ControlKind control() const override { return static_cast<ControlKind>(object_.table().control); }

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    const auto f = object_.optional(&kappa_step_solver::unfit);
    if (f == nullptr) {
      return std::nullopt;
    }
    OperatorBridge shown_operator(object_.caller());
    shown_operator.show(B);
    const kappa_status status = object_.call(
        "unfit", [&](kappa_text why) { return f(object_.self(), &shown_operator.table(), why); });
    return status == KAPPA_OK ? std::nullopt : std::optional(std::string(object_.fault().text()));
  }

  ~PluginStep() override {
    bridge_.hide();
    object_.end();
  }

  void start() override {
    object_.fault().clear();
    bridge_.hide();  // of an earlier solve
    if (const auto f = object_.optional(&kappa_step_solver::start)) {
      object_.tell("start", [&] { f(object_.self()); });
    }
  }

  StepStatus prepare(const Subproblem& subproblem) override {
    bridge_.show(subproblem.B);
    gradient_ = subproblem.gradient;
    metric_ = &subproblem.metric;
    model_ = {};
    model_.struct_size = sizeof model_;
    model_.size = static_cast<Index>(subproblem.gradient.size());
    model_.B = &bridge_.table();
    model_.gradient = subproblem.gradient.data();
    model_.weights = subproblem.metric.weights().data();
    model_.interrupt = subproblem.interrupt;
    model_.interrupted = interrupted;
    return step_status(object_.call("prepare", [&](kappa_text error) {
      return object_.table().prepare(object_.self(), &model_, error);
    }));
  }

  StepReport solve(const Control& control, VectorRef step) override {
    kappa_step_report report{};
    report.struct_size = sizeof report;
    report.blame = -1;
    const kappa_status status = object_.call("solve", [&](kappa_text) {
      return object_.table().solve(object_.self(), value(control), step.data(), &report);
    });
    StepReport out;
    out.status = step_status(status);
    out.slope = report.slope;
    out.predicted_decrease = report.predicted_decrease;
    out.norm = report.norm;
    out.limit =
        report.limit == KAPPA_LIMIT_INTERIOR ? StepReport::Limit::interior : StepReport::Limit::boundary;
    out.blame = report.blame < model_.size ? report.blame : -1;
    out.inner_iterations = report.inner_iterations;
    const bool finite = std::isfinite(out.slope) && std::isfinite(out.predicted_decrease) &&
                        std::isfinite(out.norm) && out.norm >= 0 &&
                        std::all_of(step.begin(), step.end(), [](double d) { return std::isfinite(d); });
    if (out.status == StepStatus::ok && !finite) {
      object_.fault().say("solve returned a step or a report with numbers that are not finite");
      out.status = StepStatus::failed;
    }
    if (out.status == StepStatus::ok && !describes(out, step)) {
      out.status = StepStatus::failed;
    }
    if (out.status != StepStatus::ok) {
      std::fill(step.begin(), step.end(), 0.0);
    }
    return out;
  }

  bool resolve(ConstVectorRef rhs, VectorRef out) override {
    const auto f = object_.optional(&kappa_step_solver::resolve);
    return f != nullptr && object_.call("resolve", [&](kappa_text) {
      return f(object_.self(), rhs.data(), out.data());
    }) == KAPPA_OK;
  }

  void describe(std::string& out) const override {
    out.clear();
    if (const auto f = object_.optional(&kappa_step_solver::describe)) {
      std::array<char, 512> text{};
      object_.tell("describe", [&] { f(object_.self(), {text.data(), text.size() - 1}); });
      out = text.data();
    }
  }
  std::string_view fault() const override { return object_.fault().text(); }

  Index factorizations() const override {
    Index out = 0;
    if (const auto f = object_.optional(&kappa_step_solver::factorizations)) {
      object_.tell("factorizations", [&] { out = f(object_.self()); });
    }
    return out;
  }

 private:
  /// Whether slope and norm are those of the step, which the tests of convergence go by.
  bool describes(const StepReport& report, ConstVectorRef step) const {
    const auto wrong = [&](const char* what, double said, double is) {
      char text[160];
      std::snprintf(text, sizeof text, "solve reports %s %.6g, that of its step is %.6g", what, said, is);
      object_.fault().say(text);
      return false;
    };
    double slope = 0;
    double terms = 0;
    for (std::size_t i = 0; i < step.size(); ++i) {
      slope += gradient_[i] * step[i];
      terms += std::fabs(gradient_[i] * step[i]);
    }
    const double norm = metric_->norm(step);
    constexpr double tolerance = 1e-6;
    if (!(std::fabs(report.slope - slope) <= tolerance * terms)) {
      return wrong("the slope", report.slope, slope);
    }
    return std::fabs(report.norm - norm) <= tolerance * norm || wrong("the norm", report.norm, norm);
  }

  PluginObject<kappa_step_solver> object_;
  OperatorBridge bridge_;
  ConstVectorRef gradient_;
  const Metric* metric_ = nullptr;
  kappa_subproblem model_{};
};

class PluginLinearSolver final : public FactoredStep {
 public:
  PluginLinearSolver(const SharedPart& part, const Options& options)
      : FactoredStep(part->info.name, 0), object_(part, options) {}

  std::optional<std::string> unfit(const SymmetricOperator& B) const override {
    if (B.offers().blocks) {
      return std::nullopt;
    }
    return "step '" + object_.part().info.name +
           "' factors block matrices; use a curvature that offers blocks, such as outer-product on residual "
           "blocks";
  }

  void describe(std::string& out) const override {
    out.clear();
    if (const auto f = object_.optional(&kappa_linear_solver::describe)) {
      std::array<char, 512> text{};
      object_.tell("describe", [&] { f(object_.self(), {text.data(), text.size() - 1}); });
      out = text.data();
    }
  }
  std::string_view fault() const override { return object_.fault().text(); }

 private:
  bool load(const SymmetricOperator& B) override {
    blocks_ = B.blocks();
    if (blocks_ == nullptr) {
      return false;
    }
    if (analysed_ != blocks_->structure) {
      kappa_blocks structure = shown(*blocks_);
      structure.values = nullptr;
      const kappa_status status = object_.call("analyze", [&](kappa_text error) {
        return object_.table().analyze(object_.self(), &structure, error);
      });
      if (status != KAPPA_OK) {
        return false;
      }
      analysed_ = blocks_->structure;
    }
    return true;
  }

  Factored factor(double lambda, ConstVectorRef weights, const Interrupt* interrupt) override {
    if (interrupt != nullptr && interrupt->requested()) {
      return {StepStatus::interrupted};
    }
    Index blame = -1;
    const kappa_status status = object_.call("factor", [&](kappa_text) {
      return object_.table().factor(object_.self(), blocks_->values.data(), lambda,
                                    weights.empty() ? nullptr : weights.data(), &blame);
    });
    return {step_status(status), blame < blocks_->structure.size() ? blame : -1};
  }

  double solve_factored(VectorRef x) override {
    right_.assign(x.begin(), x.end());
    const kappa_status status =
        object_.call("solve", [&](kappa_text) { return object_.table().solve(object_.self(), x.data()); });
    if (status != KAPPA_OK) {
      std::fill(x.begin(), x.end(), std::nan(""));
    }
    double out = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      out += right_[i] * x[i];
    }
    return out;
  }

  PluginObject<kappa_linear_solver> object_;
  const BlockMatrix* blocks_ = nullptr;
  BlockStructure analysed_;
  std::vector<double> right_;
};

}  // namespace

StepPart step_part(const SharedPart& part) {
  StepPart out;
  out.info = part->info;
  const auto* table = part->as<kappa_step_solver>();
  out.control = static_cast<ControlKind>(table->control);
  out.blocks = (table->flags & KAPPA_NEEDS_BLOCKS) != 0;
  out.make = [part](const Options& options) -> std::unique_ptr<StepSolver> {
    return std::make_unique<PluginStep>(part, options);
  };
  return out;
}

StepPart linear_solver_part(const SharedPart& part) {
  StepPart out;
  out.info = part->info;
  out.control = ControlKind::damping;
  out.blocks = true;
  out.make = [part](const Options& options) -> std::unique_ptr<StepSolver> {
    return std::make_unique<PluginLinearSolver>(part, options);
  };
  return out;
}

}  // namespace kappa::detail
