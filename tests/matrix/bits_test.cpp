// Results are the same bits for every number of threads, and as many threads as asked for really took part.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <mutex>
#include <set>
#include <thread>

#include "kappa/kappa.h"
#include "problems/analytic/mgh_problem.h"
#include "problems/analytic/nist_problem.h"
#include "problems/io/bal.h"
#include "problems/residual/bundle.h"
#include "problems/residual/reprojection.h"
#include "support/catch.h"

namespace {

using namespace kappa;

/// Runs `body` where oneTBB may use `threads` threads.
template <class Body>
void with_threads(int threads, const Body& body) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(threads));
  tbb::task_arena arena(threads);
  arena.execute(body);
}

/// A reprojection that notes which threads evaluate it.
struct Witness {
  static std::mutex mutex;
  static std::set<std::thread::id> seen;
  static void note() {
    static thread_local int calls = 0;
    if (calls++ % 64 == 0) {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    }
  }
  Reprojection inner;
  template <class T>
  bool operator()(const T* camera, const T* point, T* residual) const {
    note();
    return inner(camera, point, residual);
  }
};
std::mutex Witness::mutex;
std::set<std::thread::id> Witness::seen;

ResidualProblem witnessed_bundle(const BalProblem& data) {
  ResidualProblem out;
  std::vector<ParameterBlock> blocks;
  for (Index i = 0; i < data.cameras; ++i) {
    blocks.push_back(out.add_parameters({data.parameters.data() + 9 * i, 9}));
  }
  for (Index i = 0; i < data.points; ++i) {
    blocks.push_back(out.add_parameters({data.parameters.data() + 9 * data.cameras + 3 * i, 3}));
  }
  for (std::size_t k = 0; k < static_cast<std::size_t>(data.observations); ++k) {
    out.add(autodiff<2, 9, 3>(Witness{{data.observed[2 * k], data.observed[2 * k + 1]}}),
            {blocks[static_cast<std::size_t>(data.camera_index[k])],
             blocks[static_cast<std::size_t>(data.cameras + data.point_index[k])]},
            huber(3.0));
  }
  return out;
}

}  // namespace

TEST_CASE("a bundle adjustment has the same bits for 1, 2, 4 and 8 threads, all of which took part",
          "[bits]") {
  const ResidualProblem problem =
      witnessed_bundle(load_bal("generated/tourist?cameras=12&points=4000&seed=2"));
  Stopping stopping;
  stopping.max_iterations = 6;
  for (const Method& method : {levenberg_marquardt(), levenberg_marquardt({.curvature = {"hessian-free"}}),
                               newton({.curvature = {"hessian-free", {{"model", "gauss-newton"}}}})}) {
    INFO(method.optimizer << " " << method.curvature.name);
    const Method limited = method;
    std::vector<double> reference;
    for (const int threads : {1, 2, 4, 8}) {
      INFO(threads << " threads");
      with_threads(threads, [&] {
        // Threads of the pool wake up in their own time: a few solves, until all have been seen.
        Witness::seen.clear();
        for (int attempt = 0; attempt < 20; ++attempt) {
          const Result r = minimize(problem, problem.initial(), limited, stopping);
          if (reference.empty()) {
            reference = r.x;
          }
          REQUIRE(r.x == reference);
          if (Witness::seen.size() >= static_cast<std::size_t>(threads)) {
            break;
          }
        }
        CHECK(Witness::seen.size() == static_cast<std::size_t>(threads));
      });
    }
  }
}

TEST_CASE("a bundle adjustment with active bounds has the same bits for 1, 2, 4 and 8 threads", "[bits]") {
  const BalProblem data = load_bal("generated/tourist?cameras=12&points=4000&seed=2");
  ResidualProblem problem = make_bundle(data);
  for (Index camera = 0; camera < data.cameras; ++camera) {
    const double focal = data.parameters[static_cast<std::size_t>(9 * camera + 6)];
    problem.set_bounds({camera}, std::vector<double>{-1, -1, -1, -50, -50, -50, 1.001 * focal, -0.1, -0.1},
                       std::vector<double>{1, 1, 1, 50, 50, 50, 1.002 * focal, 0.0, 0.1});
  }
  Stopping stopping;
  stopping.max_iterations = 6;
  for (const Method& method : {levenberg_marquardt(), levenberg_marquardt({.curvature = {"hessian-free"}}),
                               newton({.curvature = {"hessian-free", {{"model", "gauss-newton"}}}})}) {
    INFO(method.optimizer << " " << method.curvature.name);
    std::vector<double> reference;
    for (const int threads : {1, 2, 4, 8}) {
      with_threads(threads, [&] {
        const Result r = minimize(problem, problem.initial(), method, stopping);
        if (reference.empty()) {
          reference = r.x;
        }
        CHECK(r.active_bounds.size() > 4);
        CHECK(r.x == reference);
      });
    }
  }
}

TEST_CASE("NIST and MGH have the same bits for 1, 2, 4 and 8 threads", "[bits]") {
  std::vector<std::vector<double>> reference;
  for (const int threads : {1, 2, 4, 8}) {
    with_threads(threads, [&] {
      std::size_t at = 0;
      const auto check = [&](const ResidualProblem& problem) {
        for (const Method& method : {levenberg_marquardt(), newton()}) {
          const Result r = minimize(problem, problem.initial(), method);
          if (threads == 1) {
            reference.push_back(r.x);
          }
          CHECK(r.x == reference[at++]);
        }
      };
      for (const NistProblem& p : nist_problems()) {
        check(make_nist(p, 1));
      }
      for (const MghProblem& p : mgh_problems()) {
        check(make_mgh(p, 1));
      }
    });
  }
}
