// Checkpoints: a solve that resumes ends with the bits of one that was never interrupted, and a file that is
// not its own is refused with a sentence.
#include "kappa/checkpoint.h"

#include <cstring>
#include <filesystem>

#include "kappa/kappa.h"
#include "kappa/network.h"
#include "problems/analytic/mgh_problem.h"
#include "problems/analytic/nist_problem.h"
#include "problems/io/bal.h"
#include "problems/residual/bundle.h"
#include "support/catch.h"
#include "support/files.h"
#include "support/logistic_sum.h"

namespace {

using namespace kappa;
using kappa::test::content;
using kappa::test::Folder;
using kappa::test::LogisticSum;
using kappa::test::make_logistic;
using kappa::test::message;

bool same_bits(ConstVectorRef a, ConstVectorRef b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

Stopping steps(Index n) {
  Stopping out;
  out.max_iterations = n;
  out.gradient_tolerance = out.decrease_tolerance = out.step_tolerance = 0;
  return out;
}

struct Counter final : Observer {
  void observe(const Progress& p) override {
    last = p;
    seen += p.event == Progress::Event::accepted ? 1 : 0;
  }
  Progress last;
  int seen = 0;
};

/// Runs to `all` steps at once, and to each of `cuts` and from there on; the results must not differ.
void check_resumes(const Problem& problem, ConstVectorRef x0, const Method& method, Index all,
                   const std::vector<Index>& cuts, const Session& session = {}) {
  const Folder folder;
  const std::string path = folder / "checkpoint";
  const Result straight = minimize(problem, x0, method, steps(all), nullptr, session);
  for (const Index cut : cuts) {
    INFO("cut after " << cut << " of " << straight.iterations << " steps");
    Session saves = session;
    saves.checkpoint = {.path = path, .iterations = 0, .seconds = 0};
    const Result first = minimize(problem, x0, method, steps(cut), nullptr, saves);
    if (first.iterations < cut) {
      continue;
    }
    saves.checkpoint.start = Checkpoint::Start::resume;
    Counter counter;
    const Result rest = minimize(problem, x0, method, steps(all), &counter, saves);
    CHECK(counter.seen == straight.iterations - cut);
    CHECK(same_bits(rest.x, straight.x));
    CHECK(same_bits({&rest.value, 1}, {&straight.value, 1}));
    CHECK(same_bits({&rest.initial_value, 1}, {&straight.initial_value, 1}));
    CHECK(rest.termination == straight.termination);
    CHECK(rest.iterations == straight.iterations);
    CHECK(rest.trials == straight.trials);
    CHECK(rest.evaluations.value == straight.evaluations.value);
    CHECK(rest.evaluations.gradient == straight.evaluations.gradient);
    CHECK(rest.evaluations.linearization == straight.evaluations.linearization);
    CHECK(rest.evaluations.product == straight.evaluations.product);
    CHECK(rest.gradient_equivalents == straight.gradient_equivalents);
    CHECK(rest.factorizations == straight.factorizations);
    CHECK(rest.epochs == straight.epochs);
    CHECK(rest.best_epoch == straight.best_epoch);
    REQUIRE(rest.measures.size() == straight.measures.size());
    for (std::size_t i = 0; i < rest.measures.size(); ++i) {
      CHECK(rest.measures[i].value == straight.measures[i].value);
    }
  }
}

std::vector<Method> batch_methods() {
  std::vector<Method> out = {
      levenberg_marquardt(),
      levenberg_marquardt({.step = {"damped-qr"}}),
      levenberg_marquardt({.step = {"damped-cholesky"}}),
      levenberg_marquardt({.step = {"damped-cg"}, .metric = MetricKind::minpack}),
      levenberg_marquardt({.curvature = {"structured-secant"}}),
      levenberg_marquardt({.curvature = {"model-switch", {{"exact", "yes"}}}}),
      levenberg_marquardt({.curvature = {"diagonal"}}),
      newton(),
      newton({.curvature = {"hessian-free"}, .step = {"steihaug-cg"}}),
      newton({.acceptance = {"armijo"}}),
      newton({.step = {"bunch-kaufman"}, .acceptance = {"strong-wolfe"}}),
      newton({.curvature = {"hessian-free"}, .step = {"newton-cg"}, .acceptance = {"armijo"}}),
      newton({.step = {"gltr"}}),
      newton({.step = {"newton-mr"}, .acceptance = {"strong-wolfe"}}),
      levenberg_marquardt({.step = {"shifted-lanczos"}}),
      hessian_free(),
      hessian_free({.preconditioner = {"diagonal", {{"model", "gauss-newton"}}}}),
      cubic_newton(),
      regularized_newton(),
      tron(),
  };
  return out;
}

std::vector<Method> stochastic_methods(const MiniBatch& batch) {
  std::vector<Method> out = {adahessian(batch, 0.05), sdlm(batch, 0.1),      vsgd(batch),
                             adasecant(batch),        sophia_h(batch, 0.01), sophia_g(batch, 0.01),
                             adam(batch, 0.01),       sgd(batch, 0.05)};
  out.push_back(
      adaptive_rate({.curvature = {"running-diagonal", {{"source", "exact"}, {"average", "mean"}}},
                     .acceptance = {"schedule", {{"rate", 0.1}, {"decay", "cosine"}, {"warmup", 7}}},
                     .batch = batch}));
  return out;
}

}  // namespace

TEST_CASE("what a State writes it reads back bit by bit", "[checkpoint]") {
  std::vector<char> buffer;
  double number = -0.0;
  std::int64_t integer = -7;
  std::uint64_t natural = ~std::uint64_t{0};
  bool truth = true;
  std::string text = "a b";
  std::vector<double> numbers = {std::nan(""), infinity, 5e-324};
  std::vector<std::int64_t> integers = {1, -2};
  Termination termination = Termination::time_limit;
  const auto exchange = [&](State& s) {
    s.section("test", 3);
    s.item("number", number);
    s.item("integer", integer);
    s.item("natural", natural);
    s.item("truth", truth);
    s.item("text", text);
    s.item("numbers", numbers);
    s.item("integers", integers);
    s.item("termination", termination);
  };
  State saving = State::saving(buffer);
  exchange(saving);
  const std::vector<double> kept = numbers;
  number = 1;
  integer = 0;
  natural = 0;
  truth = false;
  text.clear();
  numbers.clear();
  integers.clear();
  termination = Termination::unbounded;
  State loading = State::loading(buffer, "here");
  exchange(loading);
  loading.end();
  CHECK((number == 0 && std::signbit(number)));
  CHECK(integer == -7);
  CHECK(natural == ~std::uint64_t{0});
  CHECK(truth);
  CHECK(text == "a b");
  CHECK(same_bits(numbers, kept));
  CHECK(integers == std::vector<std::int64_t>{1, -2});
  CHECK(termination == Termination::time_limit);
}

TEST_CASE("a State refuses other names, types, versions and an early end", "[checkpoint]") {
  std::vector<char> buffer;
  double number = 2;
  State saving = State::saving(buffer);
  saving.section("part", 1);
  saving.item("number", number);
  CHECK(message([&] { State::loading(buffer, "here").section("part", 2); }).find("version") !=
        std::string::npos);
  CHECK(message([&] { State::loading(buffer, "here").section("other", 1); }).find("'other'") !=
        std::string::npos);
  CHECK(message([&] {
          State s = State::loading(buffer, "here");
          s.section("part", 1);
          bool truth = false;
          s.item("number", truth);
        }).find("here: ") == 0);
  CHECK(message([&] {
          State s = State::loading(buffer, "here");
          s.section("part", 1);
          s.end();
        }).find("more than") != std::string::npos);
  buffer.pop_back();
  CHECK(message([&] {
          State s = State::loading(buffer, "here");
          s.section("part", 1);
          s.item("number", number);
        }).find("ends within") != std::string::npos);
}

TEST_CASE("a checkpoint file that was cut, changed or is none is refused", "[checkpoint]") {
  const Folder folder;
  const std::string path = folder / "checkpoint";
  std::vector<char> records;
  for (int i = 0; i < 1001; ++i) {
    records.push_back(static_cast<char>(i % 251));
  }
  write_checkpoint(path, records);
  CHECK(read_checkpoint(path) == records);
  const std::string whole = content(path);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{23}, std::size_t{24}, whole.size() - 1}) {
    folder.with("checkpoint", whole.substr(0, size));
    INFO("cut to " << size);
    const std::string why = message([&] { read_checkpoint(path); });
    CHECK(why.find(path) != std::string::npos);
    CHECK((why.find("cut short") != std::string::npos || why.find("no checkpoint") != std::string::npos));
  }
  for (std::size_t i = 0; i < whole.size(); i += 13) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    folder.with("checkpoint", changed);
    CHECK(message([&] { read_checkpoint(path); }).find(path) != std::string::npos);
  }
  folder.with("checkpoint", whole + "x");
  CHECK(message([&] { read_checkpoint(path); }).find("added to") != std::string::npos);
  std::filesystem::remove(path);
  CHECK(message([&] { read_checkpoint(path); }).find("cannot be read") != std::string::npos);
  CHECK(message([&] { write_checkpoint("/no such folder/file", records); }).find("cannot be written") !=
        std::string::npos);
}

TEST_CASE("an interrupted batch solve ends with the same bits", "[checkpoint]") {
  for (const Method& method : batch_methods()) {
    INFO(method.optimizer << " " << method.curvature.name << " " << method.step.name << " "
                          << method.acceptance.name);
    for (const std::size_t i : {std::size_t{0}, std::size_t{2}, std::size_t{9}, std::size_t{12}}) {
      const MghProblem& description = mgh_problems()[i];
      INFO(description.name);
      const ResidualProblem problem = make_mgh(description, 1);
      check_resumes(problem, problem.initial(), method, 12, {0, 1, 3, 7});
    }
    const ResidualProblem nist = make_nist(nist_problems()[0], 1);
    check_resumes(nist, nist.initial(), method, 10, {1, 4});
  }
}

TEST_CASE("an interrupted bundle adjustment ends with the same bits", "[checkpoint]") {
  const ResidualProblem problem =
      make_bundle(load_bal("generated/tourist?cameras=6&points=300&seed=2"), huber(3.0));
  for (const Method& method : {levenberg_marquardt(), levenberg_marquardt({.inner = {.steps = 2}}),
                               levenberg_marquardt({.curvature = {"hessian-free"}}),
                               levenberg_marquardt({.step = {"block-cholesky"}}),
                               newton({.curvature = {"hessian-free", {{"model", "gauss-newton"}}}})}) {
    INFO(method.optimizer << " " << method.curvature.name << " " << method.step.name);
    check_resumes(problem, problem.initial(), method, 8, {1, 2, 5});
  }
}

TEST_CASE("an interrupted solve within bounds ends with the same bits", "[checkpoint]") {
  ResidualProblem problem = make_mgh(mgh_problems()[0], 1);
  problem.set_bounds({0}, std::vector<double>{-2, -2}, std::vector<double>{0.7, 2});
  for (const Method& method : {levenberg_marquardt(), newton(), adam({}, 0.1), adahessian({}, 0.1)}) {
    INFO(method.optimizer << " " << method.curvature.name);
    check_resumes(problem, problem.initial(), method, 9, {1, 2, 4});
  }
}

TEST_CASE("an interrupted stochastic solve ends with the same bits", "[checkpoint]") {
  const LogisticSum train(make_logistic(90, 6, 1));
  const LogisticSum held_out(make_logistic(50, 6, 2));
  const std::vector<double> x0(6, 0.1);
  for (const MiniBatch& batch :
       {MiniBatch{.size = 8, .seed = 3},
        MiniBatch{.size = 8, .seed = 3, .curvature = MiniBatch::CurvatureBatch::own}, MiniBatch{}}) {
    for (const Method& method : stochastic_methods(batch)) {
      INFO(method.curvature.name << " " << method.step.name << ", batch " << batch.size);
      check_resumes(train, x0, method, 47, {0, 1, 9, 22, 23});
      check_resumes(train, x0, method, 47, {5, 30}, {.validation = {.problem = &held_out}, .checkpoint = {}});
    }
  }
}

TEST_CASE("an interrupted Hessian-free solve on mini-batches ends with the same bits", "[checkpoint]") {
  const LogisticSum train(make_logistic(90, 6, 1));
  const std::vector<double> x0(6, 0.1);
  for (const MiniBatch& batch :
       {MiniBatch{.size = 30, .seed = 3}, MiniBatch{.size = 45, .curvature_size = 15},
        MiniBatch{.curvature_size = 15}}) {
    INFO("batch " << batch.size << ", curvature " << batch.curvature_size);
    check_resumes(train, x0, hessian_free({.batch = batch}), 12, {0, 1, 2, 3, 7});
  }
}

TEST_CASE("an interrupted training of a network ends with the same bits", "[checkpoint]") {
  Dataset data;
  data.features = {.samples = 60, .size = 4, .value = {}, .row_start = {}, .column = {}};
  RandomSequence random(3);
  for (int i = 0; i < 60; ++i) {
    for (int j = 0; j < 4; ++j) {
      data.features.value.push_back(random.uniform());
    }
    data.label.push_back(static_cast<std::int32_t>(random.below(3)));
  }
  data.classes = {"a", "b", "c"};
  for (const Precision precision : {Precision::single_precision, Precision::double_precision}) {
    const Network network(NetworkTopology::chain({4, 6, 3}, Activation::tanh), data,
                          {.decay = 1e-3, .precision = precision});
    for (const Method& method : stochastic_methods({.size = 10, .seed = 2})) {
      INFO(method.curvature.name);
      check_resumes(network, network.initial(), method, 23, {1, 6, 12},
                    {.validation = {.problem = &network, .measure = "accuracy"}});
    }
    check_resumes(network, network.initial(), hessian_free(), 6, {1, 3});
  }
}

TEST_CASE("checkpoints in between do not change the bits, and the last one written counts", "[checkpoint]") {
  const LogisticSum train(make_logistic(90, 6, 1));
  const std::vector<double> x0(6, 0.1);
  const Folder folder;
  const std::string path = folder / "checkpoint";
  const Method method = adahessian({.size = 8}, 0.05);
  const Result straight = minimize(train, x0, method, steps(40));
  Session session;
  session.checkpoint = {.path = path, .iterations = 7, .seconds = 0};
  const Result saved = minimize(train, x0, method, steps(40), nullptr, session);
  CHECK(same_bits(straight.x, saved.x));
  session.checkpoint.start = Checkpoint::Start::resume;
  const Result ended = minimize(train, x0, method, steps(40), nullptr, session);
  CHECK(same_bits(straight.x, ended.x));
  CHECK(ended.iterations == 40);
}

TEST_CASE("a checkpoint of another solve is refused with the reason", "[checkpoint]") {
  const LogisticSum train(make_logistic(90, 6, 1));
  const std::vector<double> x0(6, 0.1);
  const Folder folder;
  const std::string path = folder / "checkpoint";
  const MiniBatch batch{.size = 8};
  Session session;
  session.checkpoint = {.path = path, .iterations = 0, .seconds = 0};
  minimize(train, x0, adam(batch, 0.01), steps(5), nullptr, session);
  session.checkpoint.start = Checkpoint::Start::resume;
  const auto why = [&](const Problem& problem, const std::vector<double>& start, const Method& method,
                       const Validation& validation = {}) {
    return message([&] {
      minimize(problem, start, method, steps(9), nullptr,
               {.validation = validation, .checkpoint = session.checkpoint});
    });
  };
  CHECK(why(train, x0, adam(batch, 0.01)) == "no error");
  minimize(train, x0, adam(batch, 0.01), steps(5), nullptr,
           {.validation = {}, .checkpoint = {.path = path, .iterations = 0, .seconds = 0}});
  CHECK(why(train, x0, adam(batch, 0.02)).find("acceptance") != std::string::npos);
  CHECK(why(train, x0, adahessian(batch)).find("curvature") != std::string::npos);
  CHECK(why(train, x0, adam({.size = 9}, 0.01)).find("batch size") != std::string::npos);
  CHECK(why(train, x0, adam({.size = 8, .seed = 2}, 0.01)).find("seed") != std::string::npos);
  CHECK(why(train, std::vector<double>(6, 0.2), adam(batch, 0.01)).find("start") != std::string::npos);
  CHECK(why(LogisticSum(make_logistic(90, 6, 9)), x0, adam(batch, 0.01)).find("another problem") !=
        std::string::npos);
  CHECK(why(LogisticSum(make_logistic(91, 6, 1)), x0, adam(batch, 0.01)).find("terms") != std::string::npos);
  CHECK(why(LogisticSum(make_logistic(90, 7, 1)), std::vector<double>(7, 0.1), adam(batch, 0.01))
            .find("variables") != std::string::npos);
  CHECK(why(train, x0, adam(batch, 0.01), {.problem = &train}).find("validation") != std::string::npos);
  const std::string whole = content(path);
  folder.with("checkpoint", whole.substr(0, whole.size() / 2));
  CHECK(why(train, x0, adam(batch, 0.01)).find("cut short") != std::string::npos);
  std::filesystem::remove(path);
  CHECK(why(train, x0, adam(batch, 0.01)).find("cannot be read") != std::string::npos);
}

namespace {

/// A curvature that says nothing of its state.
class Forgetful final : public Curvature {
 public:
  CurvatureNeeds needs() const override { return inner_->needs(); }
  Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) override {
    return inner_->refresh(now, previous, step);
  }
  const SymmetricOperator& at_point() const override { return inner_->at_point(); }

 private:
  std::unique_ptr<Curvature> inner_ = registry().curvature("identity").make({});
};

}  // namespace

TEST_CASE("a part that does not save its state is refused where a checkpoint is asked for", "[checkpoint]") {
  CurvaturePart part;
  part.info.name = "forgetful";
  part.make = [](const Options&) { return std::make_unique<Forgetful>(); };
  registry().add(part);
  const LogisticSum train(make_logistic(30, 3, 1));
  const Method method = adaptive_rate({.curvature = {"forgetful"}, .batch = {.size = 5}});
  const std::vector<double> x0(3, 0.1);
  CHECK_NOTHROW(minimize(train, x0, method, steps(3)));
  Session session;
  const Folder folder;
  session.checkpoint.path = folder / "checkpoint";
  const std::string why = message([&] { minimize(train, x0, method, steps(3), nullptr, session); });
  CHECK(why.find("curvature 'forgetful' cannot save its state") != std::string::npos);
  session.checkpoint.path = "/no such folder/file";
  CHECK(message([&] { minimize(train, x0, sgd(), steps(3), nullptr, session); }).find("cannot be written") !=
        std::string::npos);
}

TEST_CASE("every built-in part saves its state", "[checkpoint]") {
  for (const PartInfo& info : registry().list()) {
    INFO(info.name);
    if (info.origin != "built-in" || info.name == "forgetful") {
      continue;
    }
    std::vector<char> buffer;
    State s = State::saving(buffer);
    if (info.kind == PartKind::curvature) {
      CHECK(registry().curvature(info.name).make({})->state(s));
    } else if (info.kind == PartKind::step) {
      CHECK(registry().step(info.name).make({})->state(s));
    } else if (info.kind == PartKind::acceptance) {
      CHECK(registry().acceptance(info.name).make({})->state(s));
    }
  }
}
