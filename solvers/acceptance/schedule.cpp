// schedule: step lengths that are set beforehand and accepted without comparing values.
//
//   constant       rate
//   inverse-time   rate / (1 + k / decay_steps)
//   exponential    rate factor^(k / decay_steps)
//   cosine         rate (floor + (1 - floor)(1 + cos(pi min(1, k / decay_steps))) / 2)
//
// k counts the accepted steps after the warm-up, in which the rate rises linearly: rate (j + 1) / warmup at
// step j. Use it on mini-batches, where values of different terms say nothing about progress. The trial point
// must be finite, otherwise the step is tried again with half the rate; each later acceptance takes one
// halving back, so one bad batch does not slow the rest down. After `max_halvings` in a row the solve gives
// up. Cost: no trial evaluation beyond the next point's own.
//
// Reference: Robbins & Monro 1951 (inverse time); Loshchilov & Hutter, SGDR, ICLR 2017, eq. 5 (cosine); Goyal
// et al., Accurate, large minibatch SGD, 2017, section 2.2 (warm-up).
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/option_checks.h"
#include "solvers/acceptance/parts.h"
#include "solvers/acceptance/standing.h"

namespace kappa {

namespace {

constexpr const char* part = "acceptance 'schedule'";

struct ScheduleOptions {
  double rate = 0.15;              // Yao et al. 2021, sec. 4 (AdaHessian on images)
  std::string decay = "constant";  // the simplest
  Index decay_steps = 1000;        // arbitrary: a few epochs of a small data set
  double factor = 0.5;             // arbitrary: one halving per decay_steps
  double floor = 0;                // Loshchilov & Hutter 2017
  Index warmup = 0;                // off
  Index max_halvings = 30;         // 2^-30: a rate too high by nine digits
};

constexpr Field<ScheduleOptions> fields[] = {
    {"rate", &ScheduleOptions::rate, "Yao et al. 2021, sec. 4 (AdaHessian on images)",
     "step length before decay; positive"},
    {"decay", &ScheduleOptions::decay, "the simplest", "constant, inverse-time, exponential or cosine"},
    {"decay_steps", &ScheduleOptions::decay_steps, "arbitrary: a few epochs of a small data set",
     "accepted steps in which inverse-time halves the rate, exponential multiplies it by factor, and cosine "
     "reaches the floor; at least 1"},
    {"factor", &ScheduleOptions::factor, "arbitrary: one halving per decay_steps",
     "of decay exponential; 0 < factor < 1"},
    {"floor", &ScheduleOptions::floor, "Loshchilov & Hutter 2017",
     "last rate of decay cosine relative to the first; 0 <= floor <= 1"},
    {"warmup", &ScheduleOptions::warmup, "off", "accepted steps in which the rate rises to its full size"},
    {"max_halvings", &ScheduleOptions::max_halvings, "2^-30: a rate too high by nine digits",
     "halvings in force at once before the solve gives up; not negative"},
};

enum class Decay { constant, inverse_time, exponential, cosine };

class Schedule final : public Acceptance {
 public:
  Schedule(const ScheduleOptions& options, Decay decay) : options_(options), decay_(decay) {}

  ControlKind control() const override { return ControlKind::step_length; }
  TrialNeeds needs() const override { return TrialNeeds::nothing; }

  Control start(const StartInfo&) override {
    step_ = 0;
    halvings_ = 0;
    return rate();
  }

  Verdict judge(const Trial& trial, const Control& control) override {
    using detail::Standing;
    const Standing standing = detail::standing(trial);
    if (standing == Standing::usable) {
      ++step_;
      halvings_ = std::max<Index>(halvings_ - 1, 0);
      return {Decision::accept, rate()};
    }
    // Without a step there is nothing that a shorter one would mend.
    if (standing == Standing::hopeless || trial.step.status != StepStatus::ok ||
        halvings_ >= options_.max_halvings) {
      return {Decision::give_up, control};
    }
    const double next = 0.5 * value(control);
    if (!(next < value(control))) {
      return {Decision::give_up, control};
    }
    ++halvings_;
    return {Decision::retry, StepLength{next}};
  }

  bool state(State& s) override {
    s.section("schedule", 1);
    s.item("step", step_);
    s.item("halvings", halvings_);
    return true;
  }

 private:
  Control rate() const { return StepLength{std::ldexp(scheduled(), -static_cast<int>(halvings_))}; }

  double scheduled() const {
    if (step_ < options_.warmup) {
      return options_.rate * static_cast<double>(step_ + 1) / static_cast<double>(options_.warmup);
    }
    const double time =
        static_cast<double>(step_ - options_.warmup) / static_cast<double>(options_.decay_steps);
    switch (decay_) {
      case Decay::constant:
        break;
      case Decay::inverse_time:
        return options_.rate / (1 + time);
      case Decay::exponential:
        return options_.rate * std::pow(options_.factor, time);
      case Decay::cosine: {
        const double wave = 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, time)));
        return options_.rate * (options_.floor + (1 - options_.floor) * wave);
      }
    }
    return options_.rate;
  }

  ScheduleOptions options_;
  Decay decay_;
  Index step_ = 0;
  Index halvings_ = 0;
};

ScheduleOptions checked(const Options& given) {
  const auto o = read_options<ScheduleOptions>(part, given, fields);
  using detail::require_option;
  require_option(o.rate > 0 && o.rate < infinity, part, "rate", o.rate, "it must be positive");
  require_option(o.decay_steps >= 1, part, "decay_steps", static_cast<std::int64_t>(o.decay_steps),
                 "it must be at least 1");
  require_option(o.factor > 0 && o.factor < 1, part, "factor", o.factor, "it must be above 0 and below 1");
  require_option(o.floor >= 0 && o.floor <= 1, part, "floor", o.floor, "it must be from 0 to 1");
  require_option(o.warmup >= 0, part, "warmup", static_cast<std::int64_t>(o.warmup),
                 "it must not be negative");
  require_option(o.max_halvings >= 0 && o.max_halvings <= 1000, part, "max_halvings",
                 static_cast<std::int64_t>(o.max_halvings), "it must be from 0 to 1000");
  return o;
}

}  // namespace

AcceptancePart schedule_part() {
  AcceptancePart out;
  out.info.kind = PartKind::acceptance;
  out.info.name = "schedule";
  out.info.summary = "Step lengths set beforehand; values are not compared, points must be finite.";
  out.info.source = "Robbins & Monro 1951; Loshchilov & Hutter 2017, eq. 5";
  out.info.options = describe_options<ScheduleOptions>(fields);
  out.control = ControlKind::step_length;
  out.make = [](const Options& given) -> std::unique_ptr<Acceptance> {
    constexpr std::array decays = {Decay::constant, Decay::inverse_time, Decay::exponential, Decay::cosine};
    const ScheduleOptions options = checked(given);
    const std::size_t decay = detail::choose_option(part, "decay", options.decay,
                                                    {"constant", "inverse-time", "exponential", "cosine"});
    return std::make_unique<Schedule>(options, decays[decay]);
  };
  return out;
}

}  // namespace kappa
