// Epochs, validation data and early stopping.
#include <algorithm>
#include <cmath>

#include "kappa/kappa.h"
#include "support/catch.h"
#include "support/files.h"
#include "support/logistic_sum.h"

namespace {

using namespace kappa;
using namespace kappa::test;

/// A validation problem whose scores are given beforehand, one for each time that it is asked.
class Scripted final : public Problem {
 public:
  Scripted(Index n, std::vector<double> scores, Measure::Better better)
      : n_(n), scores_(std::move(scores)), better_(better) {}
  Index dimension() const override { return n_; }
  ModelSet models() const override { return {}; }
  EvalStatus evaluate(const Request&, Evaluation&) const override { return EvalStatus::failed; }
  std::vector<Measure> measures(ConstVectorRef x) const override {
    asked.emplace_back(x.begin(), x.end());
    return {{"other", 0.0}, {"score", scores_[std::min(asked.size(), scores_.size()) - 1], better_}};
  }
  mutable std::vector<std::vector<double>> asked;

 private:
  Index n_;
  std::vector<double> scores_;
  Measure::Better better_;
};

struct Epochs final : Observer {
  void observe(const Progress& p) override {
    if (p.event == Progress::Event::epoch) {
      seen.push_back(p);
      best = p.best ? p.measures.back().value : best;
    }
  }
  std::vector<Progress> seen;  ///< without what the spans point to
  double best = 0;
};

const std::vector<double> x0(4, 0.1);

}  // namespace

TEST_CASE("the best validated point is returned, and patience ends the solve", "[validation]") {
  const LogisticSum train(make_logistic(40, 4, 1));
  for (const double sign : {1.0, -1.0}) {
    const Scripted held_out(4, {5 * sign, 3 * sign, std::nan(""), 2 * sign, 2 * sign, 4 * sign, 1 * sign},
                            sign > 0 ? Measure::Better::lower : Measure::Better::higher);
    Stopping stopping;
    stopping.max_epochs = 50;
    Epochs epochs;
    const Result r = minimize(train, x0, adam({.size = 10}, 0.05), stopping, &epochs,
                              {.validation = {.problem = &held_out, .measure = "score", .patience = 2}});
    CHECK(r.termination == Termination::early_stopping);
    CHECK(r.outcome == Outcome::stalled);
    CHECK(r.best_epoch == 3);
    CHECK(r.epochs == 5);
    CHECK(r.x == held_out.asked[3]);
    REQUIRE(r.measures.size() == 2);
    CHECK(r.measures[1].value == 2 * sign);
    CHECK(r.reason.find("2 epochs in a row") != std::string::npos);
    // Value and gradient are those of the whole sum at the point returned.
    Evaluation at;
    at.reset(r.x, 0);
    Request request;
    request.want = Want::value | Want::gradient;
    REQUIRE(train.evaluate(request, at) == EvalStatus::ok);
    CHECK(r.value == at.value);
    REQUIRE(epochs.seen.size() == 6);  // the start is judged too
    for (std::size_t i = 0; i < epochs.seen.size(); ++i) {
      CHECK(epochs.seen[i].epoch == static_cast<Index>(i));
      CHECK(epochs.seen[i].iteration == static_cast<Index>(4 * i));
      CHECK(epochs.seen[i].best == (i == 0 || i == 1 || i == 3));
      CHECK(epochs.seen[i].gradient_equivalents == Approx(static_cast<double>(i) + 0.25));
      CHECK(std::isnan(epochs.seen[i].epoch_value) == (i == 0));
    }
  }
}

TEST_CASE("an epoch's value is the mean over the batches that its steps were made of", "[validation]") {
  const LogisticSum train(make_logistic(40, 4, 1));
  struct Values final : Observer {
    void observe(const Progress& p) override {
      if (p.event == Progress::Event::epoch) {
        epoch = p.epoch_value;
      } else {
        values.push_back(p.value);
      }
    }
    std::vector<double> values;
    double epoch = 0;
  } values;
  Stopping stopping;
  stopping.max_epochs = 1;
  const Result r = minimize(train, x0, sgd({.size = 8}, 0.1), stopping, &values);
  CHECK(r.termination == Termination::max_epochs);
  CHECK(r.iterations == 5);
  REQUIRE(values.values.size() == 6);
  double sum = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    sum += values.values[i] / 5;
  }
  CHECK(values.epoch == Approx(sum));
}

TEST_CASE("validation does not change the steps, and a batch solve is judged after each", "[validation]") {
  const LogisticSum train(make_logistic(40, 4, 1));
  const LogisticSum held_out(make_logistic(40, 4, 2));
  for (const Method& method : {adahessian({.size = 10}, 0.05), newton()}) {
    Stopping stopping;
    stopping.max_iterations = 8;
    Epochs epochs;
    struct Last final : Observer {
      void observe(const Progress& p) override { x.assign(p.x.begin(), p.x.end()); }
      std::vector<double> x;
    } last, judged;
    minimize(train, x0, method, stopping, &last);
    minimize(train, x0, method, stopping, &judged, {.validation = {.problem = &held_out}});
    CHECK(last.x == judged.x);
    const Result r = minimize(train, x0, method, stopping, &epochs, {.validation = {.problem = &held_out}});
    CHECK(static_cast<Index>(epochs.seen.size()) == r.epochs + 1);
    // The last point is judged too; it can only be better than the best after an epoch.
    CHECK(r.measures[0].value >= epochs.best);
    CHECK(held_out.measures(r.x)[0].value == r.measures[0].value);
  }
}

TEST_CASE("validation of other variables or by an unknown measure is refused", "[validation]") {
  const LogisticSum train(make_logistic(40, 4, 1));
  const LogisticSum other(make_logistic(40, 5, 1));
  check_says(message([&] { minimize(train, x0, adam(), {}, nullptr, {.validation = {.problem = &other}}); }),
             {"5 variables", "4"});
  check_says(message([&] {
               minimize(train, x0, adam(), {}, nullptr,
                        {.validation = {.problem = &train, .measure = "loss"}});
             }),
             {"no measure 'loss'", "accuracy"});
}
