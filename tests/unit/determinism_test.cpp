// The same bits from 1, 2, 4 and 8 threads, and that so many threads really took part.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "kappa/residuals.h"
#include "problems/io/bal_generated.h"
#include "problems/residual/reprojection.h"
#include "support/catch.h"

namespace {

using kappa::Evaluation;
using kappa::Index;
using kappa::Model;
using kappa::Request;
using kappa::ResidualProblem;
using kappa::Want;

/// Where threads wait for each other: the first call of each thread holds it until `expected` have come, or
/// for a second, since threads start when they like.
class Meeting {
 public:
  void open(int expected) {
    ++round_;
    expected_ = expected;
    present_ = 0;
  }
  void close() { expected_ = 0; }
  void attend() {
    if (expected_.load(std::memory_order_relaxed) == 0) {
      return;
    }
    static thread_local int attended = 0;
    if (attended == round_.load()) {
      return;
    }
    attended = round_.load();
    ++present_;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (present_.load() < expected_.load() && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
  }
  int present() const { return present_.load(); }

 private:
  std::atomic<int> round_ = 0;
  std::atomic<int> expected_ = 0;
  std::atomic<int> present_ = 0;
};

Meeting meeting;

template <class Functor>
struct Attending {
  Functor functor;
  template <class T>
  bool operator()(const T* a, const T* b, T* r) const {
    meeting.attend();
    return functor(a, b, r);
  }
};

/// Box (MGH 12 is its sum over ten of these): one residual of two blocks that all terms share.
struct Box {
  double t;
  template <class T>
  bool operator()(const T* x, const T* scale, T* r) const {
    using std::exp;
    r[0] = exp(-t * x[0]) - exp(-t * x[1]) - scale[0] * (std::exp(-t) - std::exp(-10 * t));
    return true;
  }
};

struct Outcome {
  std::vector<double> numbers;
  int threads = 0;
  bool operator==(const Outcome& other) const { return numbers == other.numbers; }
};

/// Everything a problem computes, in one row of numbers.
Outcome evaluated(const ResidualProblem& problem, int threads, std::span<const Index> terms) {
  Outcome out;
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);
  arena.execute([&] {
    const auto keep = [&](kappa::ConstVectorRef v) {
      out.numbers.insert(out.numbers.end(), v.begin(), v.end());
    };
    Request request;
    request.sample = {terms.empty() ? 0U : 1U, terms};
    Evaluation e;
    e.reset(problem.initial(), request.sample.id);
    meeting.open(threads);
    REQUIRE(problem.evaluate(request, e) == kappa::EvalStatus::ok);
    out.threads = meeting.present();
    keep({&e.value, 1});
    e.reset(problem.initial(), request.sample.id);
    request.want = Want::value | Want::gradient | Want::linearization;
    request.models = {Model::exact, Model::gauss_newton};
    meeting.open(threads);
    REQUIRE(problem.evaluate(request, e) == kappa::EvalStatus::ok);
    out.threads = std::min(out.threads, meeting.present());
    meeting.close();
    keep({&e.value, 1});
    keep({&e.value_rounding, 1});
    keep(e.gradient);
    std::vector<double> v(e.gradient.size()), w(e.gradient.size()),
        rows(static_cast<std::size_t>(e.linearization->residuals()));
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = std::sin(static_cast<double>(i));
    }
    for (const Model model : {Model::exact, Model::gauss_newton}) {
      const kappa::BlockMatrix* blocks = e.linearization->blocks(model);
      keep(blocks->values);
      blocks->multiply(v, w);
      keep(w);
      e.linearization->product(model, v, w);
      keep(w);
      e.linearization->diagonal(model, w);
      keep(w);
    }
    e.linearization->jacobian_product(v, rows);
    keep(rows);
    e.linearization->jacobian_transpose_product(rows, w);
    keep(w);
    REQUIRE(e.linearization->second_directional(v, w));
    keep(w);
  });
  return out;
}

void check_bits(const ResidualProblem& problem, std::span<const Index> terms = {}) {
  const Outcome one = evaluated(problem, 1, terms);
  REQUIRE(one.numbers.size() > 100);
  for (const int threads : {2, 4, 8}) {
    Outcome many;
    for (int attempt = 0; attempt < 10 && many.threads < threads; ++attempt) {
      many = evaluated(problem, threads, terms);
      CHECK(many == one);
    }
    CHECK(many.threads == threads);
  }
}

ResidualProblem bundle(const kappa::Loss& loss) {
  const kappa::BalProblem bal =
      kappa::generate_bal({.kind = kappa::GeneratedBal::Kind::tourist, .cameras = 12, .points = 2000});
  ResidualProblem problem;
  std::vector<kappa::ParameterBlock> cameras, points;
  for (Index i = 0; i < bal.cameras; ++i) {
    cameras.push_back(problem.add_parameters({bal.camera(i), 9}));
  }
  for (Index j = 0; j < bal.points; ++j) {
    points.push_back(problem.add_parameters({bal.point(j), 3}));
  }
  for (std::size_t k = 0; k < static_cast<std::size_t>(bal.observations); ++k) {
    problem.add(kappa::autodiff<2, 9, 3>(
                    Attending<kappa::Reprojection>{{bal.observed[2 * k], bal.observed[2 * k + 1]}}),
                {cameras[static_cast<std::size_t>(bal.camera_index[k])],
                 points[static_cast<std::size_t>(bal.point_index[k])]},
                loss);
  }
  return problem;
}

ResidualProblem shared_parameters() {
  ResidualProblem problem;
  const auto x = problem.add_parameters({1.5, 9.0}, "x");
  const auto scale = problem.add_parameters({1.2}, "scale");
  for (int i = 0; i < 40000; ++i) {
    problem.add(kappa::autodiff<1, 2, 1>(Attending<Box>{{1e-4 * (i + 1)}}), {x, scale},
                i % 3 == 0 ? kappa::huber(1e-3) : kappa::Loss());
  }
  return problem;
}

}  // namespace

TEST_CASE("a bundle problem evaluates to the same bits on 1, 2, 4 and 8 threads") {
  check_bits(bundle(kappa::cauchy(2)));
}

TEST_CASE("a sum over three shared parameters evaluates to the same bits on 1, 2, 4 and 8 threads") {
  check_bits(shared_parameters());
}

TEST_CASE("a large sample evaluates to the same bits on 1, 2, 4 and 8 threads") {
  const ResidualProblem problem = shared_parameters();
  std::vector<Index> terms;
  for (Index i = 0; i < problem.residual_blocks(); i += 2) {
    terms.push_back((7 * i) % problem.residual_blocks());
  }
  check_bits(problem, terms);
}

TEST_CASE("the same fault is reported on 1, 2, 4 and 8 threads") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({0.5});
  for (int i = 0; i < 40000; ++i) {
    problem.add(kappa::autodiff<1, 1>([i]<class T>(const T* x, T* r) {
                  r[0] = x[0];
                  return i % 9973 != 9000;
                }),
                {p});
  }
  for (const int threads : {1, 2, 4, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    arena.execute([&] {
      for (const Want want : {Want::value, Want::gradient}) {
        Evaluation e;
        e.reset(problem.initial(), 0);
        Request request;
        request.want = want;
        CHECK(problem.evaluate(request, e) == kappa::EvalStatus::outside_domain);
        CHECK(e.fault == "residual block 9000 on parameter block 0: the functor returned false");
      }
    });
  }
}
