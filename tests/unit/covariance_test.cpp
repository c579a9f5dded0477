// BlockCovariance against dense pseudo-inverses: of the information matrix in long double, and of the
// Jacobian by QR (kappa::covariance).
#include "kappa/covariance.h"

#include <tbb/global_control.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "kappa/rotation.h"
#include "problems/io/bal_generated.h"
#include "problems/pose_graph/generated_pose_graph.h"
#include "problems/pose_graph/pose_graph_problem.h"
#include "problems/residual/bundle.h"
#include "support/block_bundle.h"
#include "support/catch.h"
#include "support/dense_solve.h"

namespace {

using namespace kappa;
using Dense = Eigen::MatrixXd;
using Long = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;

Dense dense(const BlockMatrix& H) {
  const Index n = H.structure.size();
  Dense out(n, n);
  H.dense({out.data(), n, n, n});
  return out;
}

Dense eigen(const kappa::Matrix& M) {
  return Eigen::Map<const Dense>(M.values.data(), M.rows, M.cols);
}

Dense whole(const BlockCovariance& covariance) {
  return eigen(covariance.block({0, covariance.size()}));
}

/// The pseudo-inverse of H with `nullity` null vectors, by way of the equilibrated matrix.
Dense pseudo_inverse(const Dense& H, Index nullity) {
  const Index n = H.rows();
  Eigen::Matrix<long double, Eigen::Dynamic, 1> D(n);
  for (Index i = 0; i < n; ++i) {
    D(i) = H(i, i) > 0 ? 1 / std::sqrt(static_cast<long double>(H(i, i))) : 1.0L;
  }
  const Long A = D.asDiagonal() * H.cast<long double>() * D.asDiagonal();
  const auto [eigenvalues, vectors] = test::symmetric_eigen(A);
  const Long V = vectors.rightCols(n - nullity);
  const Long inverse = V * eigenvalues.tail(n - nullity).cwiseInverse().asDiagonal() * V.transpose();
  Long C = D.asDiagonal() * inverse * D.asDiagonal();
  const Long null_vectors = D.asDiagonal() * vectors.leftCols(nullity);
  const Long N = test::orthonormal(null_vectors);
  const Long P = Long::Identity(n, n) - N * N.transpose();
  C = P * C * P;
  return C.cast<double>();
}

/// The largest difference of two covariances, in standard deviations.
double difference(const Dense& C, const Dense& D) {
  double worst = 0;
  for (Index j = 0; j < C.cols(); ++j) {
    for (Index i = 0; i < C.rows(); ++i) {
      const double scale = std::sqrt(std::abs(D(i, i) * D(j, j)));
      worst = std::max(worst, std::abs(C(i, j) - D(i, j)) / (scale > 0 ? scale : 1.0));
    }
  }
  return worst;
}

BalProblem small_bundle(Index cameras = 3, Index points = 30) {
  return generate_bal({.kind = GeneratedBal::Kind::tourist, .cameras = cameras, .points = points, .seed = 5});
}

/// Without all but the first observation of a point.
void see_once(BalProblem& data, std::int32_t point) {
  bool first = true;
  Index to = 0;
  for (Index k = 0; k < data.observations; ++k) {
    const auto from = static_cast<std::size_t>(k);
    if (data.point_index[from] == point && !std::exchange(first, false)) {
      continue;
    }
    const auto o = static_cast<std::size_t>(to++);
    data.point_index[o] = data.point_index[from];
    data.camera_index[o] = data.camera_index[from];
    data.observed[2 * o] = data.observed[2 * from];
    data.observed[2 * o + 1] = data.observed[2 * from + 1];
  }
  data.observations = to;
  data.point_index.resize(static_cast<std::size_t>(to));
  data.camera_index.resize(static_cast<std::size_t>(to));
  data.observed.resize(static_cast<std::size_t>(2 * to));
}

void check_against_qr(const ResidualProblem& problem, Index nullity) {
  const std::vector<double> x = problem.initial();
  const Covariance reference = covariance(problem, x);
  const BlockCovariance mine(problem, x);
  REQUIRE(problem.tangent_dimension() - reference.rank == nullity);
  CHECK(mine.null_space().dimension == nullity);
  CHECK(mine.rank() == reference.rank);
  CHECK(std::abs(mine.variance() - reference.variance) <= 1e-12 * reference.variance);
  CHECK(difference(whole(mine), eigen(reference.matrix)) < 1e-6);
  const std::vector<double> errors = mine.standard_errors();
  for (std::size_t i = 0; i < errors.size(); ++i) {
    CHECK(std::abs(errors[i] - reference.standard_errors[i]) <= 1e-6 * reference.standard_errors[i] + 1e-12);
  }
}

std::vector<std::string> names(const NullSpace& null_space) {
  std::vector<std::string> out;
  for (const NullDirection& direction : null_space.directions) {
    out.push_back(direction.name);
  }
  return out;
}

const std::vector<std::string> similarity = {"translation x", "translation y", "translation z", "rotation x",
                                             "rotation y",    "rotation z",    "scale"};

struct Sum {
  template <class T>
  bool operator()(const T* p, const T* q, T* r) const {
    r[0] = p[0] + 2.0 * q[0] - 1.0;
    r[1] = 3.0 * (p[0] + 2.0 * q[0]);
    return true;
  }
};

struct Alone {
  template <class T>
  bool operator()(const T* p, T* r) const {
    r[0] = p[0] + p[1];
    r[1] = 2.0 * p[0] + 2.0 * p[1];
    return true;
  }
};

struct Pull {
  template <class T>
  bool operator()(const T* p, T* r) const {
    r[0] = p[0] + 1.0 + 0.5 * p[1];
    r[1] = 2.0 * p[1] - p[2];
    r[2] = p[2] + p[0] - 1.0;
    r[3] = p[1] + p[2] * p[2] - 3.0;
    return true;
  }
};

struct Curve {
  template <class T>
  bool operator()(const T* q, T* r) const {
    using std::exp;
    for (int i = 0; i < 4; ++i) {
      r[i] = exp(q[0] * (0.5 * i)) * q[1] - (1.0 + 0.3 * i);
    }
    return true;
  }
};

struct Away {
  template <class T>
  bool operator()(const T* q, T* r) const {
    r[0] = 1.0 - q[0] * q[0];
    return true;
  }
};

}  // namespace

TEST_CASE("the covariance of a regular matrix is its inverse, whatever is eliminated", "[covariance]") {
  RandomSequence random(3);
  const std::vector<BlockMatrix> matrices = {
      test::bundle(6, 9, 60, 3, test::First::cameras, random),
      test::bundle(5, 6, 40, 3, test::First::points, random),
      test::scene({.camera_sizes = {9, 4, 6, 1, 9, 7, 3}, .points = 30, .camera_couplings = 6}, random),
      test::gauss_newton({3}, {{0}, {0}}, random),
      test::gauss_newton({4, 2, 7}, {{0, 1}, {1, 2}, {0, 2}}, random),
      // Nothing is coupled, and everything eliminated.
      test::gauss_newton(std::vector<Index>(15, 3), {{0}, {4}, {14}}, random),
  };
  for (const BlockMatrix& H : matrices) {
    const BlockCovariance covariance(H, {.variance = 2.5});
    CHECK(covariance.null_space().dimension == 0);
    CHECK(covariance.rank() == H.structure.size());
    const Dense inverse = 2.5 * pseudo_inverse(dense(H), 0);
    CHECK(difference(whole(covariance), inverse) < 1e-10);
    const std::vector<double> errors = covariance.standard_errors();
    for (std::size_t i = 0; i < errors.size(); ++i) {
      const auto k = static_cast<Index>(i);
      CHECK(std::abs(errors[i] - std::sqrt(inverse(k, k))) <= 1e-10 * errors[i]);
    }
  }
}

TEST_CASE("a range may be part of a block, or several", "[covariance]") {
  RandomSequence random(4);
  const BlockMatrix H = test::bundle(4, 6, 20, 3, test::First::cameras, random);
  const BlockCovariance covariance(H);
  const Dense C = whole(covariance);
  CHECK(eigen(covariance.block({3, 8}, {20, 11})) == C.block(3, 20, 8, 11));
  CHECK(eigen(covariance.block({-1, 2}, {0, 6})) == Dense::Zero(2, 6));
  CHECK(covariance.standard_errors({4, 1})[0] == covariance.standard_errors()[4]);
  CHECK(covariance.standard_errors({-1, 2}) == std::vector<double>{0, 0});
  CHECK_THROWS_AS(covariance.block({80, 9}), ContractError);
}

TEST_CASE("every way to the reduced inverse gives the same covariance and null space", "[covariance]") {
  const ResidualProblem problem = make_bundle(small_bundle(4, 80));
  const std::vector<double> x = problem.initial();
  const Dense reference = eigen(covariance(problem, x).matrix);
  for (const auto factor : {CovarianceOptions::Factor::dense, CovarianceOptions::Factor::sparse}) {
    for (const Index eigen_limit : {Index{400}, Index{0}}) {
      const BlockCovariance mine(problem, x, {.factor = factor, .eigen_limit = eigen_limit});
      CHECK(names(mine.null_space()) == similarity);
      CHECK(difference(whole(mine), reference) < 1e-6);
    }
  }
}

TEST_CASE("cameras that share no point have a covariance too", "[covariance]") {
  // A street: the reduced matrix is banded, and most pairs of cameras have no block in it.
  const ResidualProblem problem = make_bundle(
      generate_bal({.kind = GeneratedBal::Kind::street, .cameras = 14, .points = 140, .seed = 2}));
  const std::vector<double> x = problem.initial();
  const Dense reference = eigen(covariance(problem, x).matrix);
  for (const auto factor : {CovarianceOptions::Factor::dense, CovarianceOptions::Factor::sparse}) {
    const BlockCovariance mine(problem, x, {.factor = factor, .eigen_limit = 0});
    CHECK(mine.null_space().dimension == 7);
    CHECK(difference(whole(mine), reference) < 1e-6);
  }
}

TEST_CASE("the pseudo-inverse does not depend on how the null space is found", "[covariance]") {
  // Units of the variables from 1e-4 to 1e4.
  RandomSequence random(9);
  BlockMatrix H = test::bundle(4, 5, 24, 3, test::First::cameras, random);
  const BlockStructure& s = H.structure;
  Dense full = dense(H);
  const Index n = s.size();
  Dense null_vectors(n, 3);
  for (double& v : null_vectors.reshaped()) {
    v = random.normal();
  }
  // Taking Null vectors out of a block-sparse matrix would fill it: couple all blocks instead.
  const Dense N = test::orthonormal(null_vectors);
  full = (Dense::Identity(n, n) - N * N.transpose()) * full * (Dense::Identity(n, n) - N * N.transpose());
  Eigen::VectorXd units(n);
  for (double& u : units) {
    u = std::exp2(std::round(26 * (random.uniform() - 0.5)));
  }
  full = units.asDiagonal() * full * units.asDiagonal();
  full = (0.5 * (full + full.transpose())).eval();
  BlockMatrix all;
  all.structure.offset = s.offset;
  all.structure.row_start = {0};
  all.structure.value_start = {0};
  for (Index i = 0; i < s.blocks(); ++i) {
    for (Index j = i; j < s.blocks(); ++j) {
      const Dense block = full.block(s.offset[static_cast<std::size_t>(i)],
                                     s.offset[static_cast<std::size_t>(j)], s.block_size(i), s.block_size(j));
      all.structure.column.push_back(static_cast<std::int32_t>(j));
      all.structure.value_start.push_back(all.structure.value_start.back() + block.size());
      all.values.insert(all.values.end(), block.data(), block.data() + block.size());
    }
    all.structure.row_start.push_back(static_cast<Index>(all.structure.column.size()));
  }
  const BlockCovariance covariance(all, {.null_tolerance = 1e-12});
  REQUIRE(covariance.null_space().dimension == 3);
  const Dense C = pseudo_inverse(full, 3);
  CHECK(difference(whole(covariance), C) < 1e-8);
  // What makes it the Moore-Penrose inverse, each entry in its own units.
  const Dense HC = full * whole(covariance);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) {
      const double unit = std::max(units(i) / units(j), units(j) / units(i));
      CHECK(std::abs(HC(i, j) - HC(j, i)) < 1e-8 * unit);
    }
  }
}

TEST_CASE("a bundle has seven gauge freedoms, named", "[covariance]") {
  const ResidualProblem problem = make_bundle(small_bundle());
  check_against_qr(problem, 7);
  const BlockCovariance covariance(problem, problem.initial());
  CHECK(names(covariance.null_space()) == similarity);
  CHECK(covariance.null_space().text() ==
        "7 gauge freedoms: translation x, translation y, translation z, rotation x, rotation y, rotation z, "
        "scale\n");
}

TEST_CASE("what constant blocks leave of the gauge is named", "[covariance]") {
  ResidualProblem problem = make_bundle(small_bundle());
  problem.set_constant(ParameterBlock{0});
  check_against_qr(problem, 1);
  {
    // Scaling about the centre of the camera, which moves all points along their rays.
    const BlockCovariance covariance(problem, problem.initial());
    const NullDirection& left = covariance.null_space().directions.at(0);
    CHECK(left.symmetry);
    CHECK(left.name.find("scale") != std::string::npos);
    CHECK(left.name.find("translation") != std::string::npos);
    const kappa::Matrix C = covariance.block(problem.tangent_range(ParameterBlock{0}));
    CHECK(eigen(C) == Dense::Zero(9, 9));
  }
  problem.set_constant(ParameterBlock{1});
  check_against_qr(problem, 0);
  const BlockCovariance covariance(problem, problem.initial());
  CHECK(covariance.null_space().text() == "all variables are determined\n");
}

TEST_CASE("a point seen once is free along its ray, and says so", "[covariance]") {
  BalProblem data = small_bundle();
  see_once(data, 17);
  const ResidualProblem problem = make_bundle(data);
  check_against_qr(problem, 8);
  const BlockCovariance covariance(problem, problem.initial());
  std::vector<std::string> expected = similarity;
  expected.push_back("point 17");
  CHECK(names(covariance.null_space()) == expected);
  const NullDirection& ray = covariance.null_space().directions.back();
  REQUIRE(ray.parts.size() == 1);
  CHECK_FALSE(ray.symmetry);
  CHECK(ray.parts[0].range.begin == problem.tangent_range(ParameterBlock{3 + 17}).begin);
  // The ray from the centre of the camera, -R't.
  std::size_t camera = 0;
  for (std::size_t k = 0; k < data.point_index.size(); ++k) {
    camera = data.point_index[k] == 17 ? static_cast<std::size_t>(data.camera_index[k]) : camera;
  }
  const double* at = data.camera(static_cast<Index>(camera));
  const double back[3] = {-at[0], -at[1], -at[2]};
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  AngleAxisRotatePoint(back, at + 3, centre.data());
  const Eigen::Vector3d along = (Eigen::Map<const Eigen::Vector3d>(data.point(17)) + centre).normalized();
  const Eigen::Map<const Eigen::Vector3d> found(ray.parts[0].direction.data());
  CHECK(std::abs(std::abs(found.dot(along)) - 1) < 1e-10);
  CHECK(covariance.null_space().text().find("1 other undetermined direction:\n  point 17 along (") !=
        std::string::npos);
}

TEST_CASE("parts that nothing connects have gauge freedoms of their own", "[covariance]") {
  BalProblem data = small_bundle(4, 60);
  // Cameras 0, 1 see the first points and 2, 3 the others.
  for (std::size_t k = 0; k < data.point_index.size(); ++k) {
    const std::int32_t side = data.camera_index[k] / 2;
    data.point_index[k] = 30 * side + data.point_index[k] % 30;
  }
  const ResidualProblem problem = make_bundle(data);
  const BlockCovariance covariance(problem, problem.initial());
  Index named = 0;
  for (const NullDirection& direction : covariance.null_space().directions) {
    named += direction.symmetry ? 1 : 0;
  }
  CHECK(named == 14);
  CHECK(covariance.null_space().directions.at(0).name.starts_with("translation x of camera 0 and "));
  CHECK(covariance.null_space().directions.at(7).name.starts_with("translation x of camera 2 and "));
}

TEST_CASE("a pose graph without anchors has three or six gauge freedoms", "[covariance]") {
  const GeneratedPoseGraph plane = {.shape = GeneratedPoseGraph::Shape::grid, .dimension = 2, .poses = 36};
  const GeneratedPoseGraph space = {.shape = GeneratedPoseGraph::Shape::sphere, .poses = 25};
  for (const GeneratedPoseGraph& options : {plane, space}) {
    ResidualProblem problem = make_pose_graph(generate_pose_graph(options));
    check_against_qr(problem, 0);
    for (Index i = 0; i < problem.parameter_blocks(); ++i) {
      problem.set_variable(ParameterBlock{i});
    }
    const bool in_plane = options.dimension == 2;
    check_against_qr(problem, in_plane ? 3 : 6);
    const BlockCovariance covariance(problem, problem.initial());
    const std::vector<std::string> expected =
        in_plane ? std::vector<std::string>{"translation x", "translation y", "rotation"}
                 : std::vector<std::string>(similarity.begin(), similarity.end() - 1);
    CHECK(names(covariance.null_space()) == expected);
  }
}

TEST_CASE("variables that no residual depends on are named, one block or several", "[covariance]") {
  ResidualProblem problem;
  const auto a = problem.add_parameters({1.0, 2.0}, "a");
  const auto b = problem.add_parameters({3.0}, "b");
  const auto c = problem.add_parameters({4.0, 5.0}, "c");
  problem.add(autodiff<2, 2, 1>(Sum{}), {a, b});
  problem.add(autodiff<2, 2>(Alone{}), {c});
  // a[1] alone, c along (1, -1), and a[0] against b.
  const BlockCovariance covariance(problem, problem.initial(), {.variance = 2});
  CHECK(covariance.null_space().dimension == 3);
  const NullDirection& against = covariance.null_space().directions.back();
  REQUIRE(against.parts.size() == 2);
  const std::size_t first = against.parts[0].name == "a" ? 0 : 1;
  const double ratio = against.parts[first].direction[0] / against.parts[1 - first].direction[0];
  CHECK(std::abs(ratio + 2) < 1e-12);
  const Dense reference = eigen(kappa::covariance(problem, problem.initial(), 2).matrix);
  CHECK((whole(covariance) - reference).norm() < 1e-12 * reference.norm());
  const std::string both = first == 0 ? "a, b" : "b, a";
  CHECK(covariance.null_space().text() ==
        "3 undetermined directions:\n  a along (0, 1)\n  c along (0.707, -0.707)\n  " + both + "\n");
}

TEST_CASE("what sits at a bound is held, and the others know it", "[covariance]") {
  ResidualProblem problem;
  const auto x = problem.add_parameters({0.0, 1.0, 2.0}, "x");
  problem.add(autodiff<4, 3>(Pull{}), {x});
  problem.set_lower(x, 0, 0.0);  // the gradient is positive there
  problem.set_upper(x, 1, 1.0);  // and here: it pulls inwards
  const std::vector<double> at = problem.initial();
  const BlockCovariance covariance(problem, at, {.variance = 1});
  CHECK(covariance.held() == std::vector<Index>{0});
  CHECK(covariance.rank() == 2);
  Dense J(4, 2);
  J << 0.5, 0, 2, -1, 0, 1, 1, 4;
  Dense expected = Dense::Zero(3, 3);
  expected.bottomRightCorner(2, 2) = (J.transpose() * J).inverse();
  CHECK((whole(covariance) - expected).norm() < 1e-12);
  problem.set_bounds(x, {0.0, 1.0, 2.0}, {0.0, 1.0, 2.0});
  CHECK(whole(BlockCovariance(problem, at, {.variance = 1})) == Dense::Zero(3, 3));
}

TEST_CASE("observed and expected information share the covariance", "[covariance]") {
  ResidualProblem problem;
  const auto p = problem.add_parameters({0.4, 0.9}, "p");
  problem.add(autodiff<4, 2>(Curve{}), {p});
  const std::vector<double> x = problem.initial();
  const kappa::Matrix H = hessian(problem, x);
  const BlockCovariance observed(problem, x, {.model = Model::exact, .variance = 1});
  CHECK((whole(observed) - eigen(H).inverse()).norm() < 1e-12 * whole(observed).norm());
  const BlockCovariance expected(problem, x, {.variance = 1});
  CHECK((whole(expected) - whole(observed)).norm() > 1e-3 * whole(observed).norm());
}

TEST_CASE("what cannot be answered is refused in a sentence", "[covariance]") {
  const ResidualProblem bundle = make_bundle(small_bundle());
  const std::vector<double> x = bundle.initial();
  CHECK_THROWS_AS(BlockCovariance(bundle, x, {.memory_bytes = 1000}), Error);
  try {
    const BlockCovariance covariance(bundle, x, {.memory_bytes = 1000});
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("the limit, memory_bytes, is 1e-06 GB") != std::string::npos);
  }
  const BlockCovariance covariance(bundle, x, {.memory_bytes = 100000});
  CHECK_THROWS_AS(covariance.block({0, bundle.tangent_dimension()}), Error);

  ResidualProblem saddle;
  const auto p = saddle.add_parameters({0.0}, "p");
  saddle.add(autodiff<1, 1>(Away{}), {p});
  CHECK_THROWS_AS(BlockCovariance(saddle, std::vector<double>{0.1}, {.model = Model::exact}), Error);
  // One residual for one variable leaves none for the variance.
  CHECK_THROWS_AS(BlockCovariance(saddle, std::vector<double>{0.1}), Error);
  CHECK_NOTHROW(BlockCovariance(saddle, std::vector<double>{0.1}, {.variance = 1}));

  RandomSequence random(1);
  BlockMatrix broken = test::bundle(3, 4, 10, 2, test::First::cameras, random);
  broken.values[broken.values.size() / 3] = std::nan("");
  CHECK_THROWS_AS(BlockCovariance(broken), Error);
}

TEST_CASE("the covariance has the same bits for every number of threads", "[covariance]") {
  const ResidualProblem problem = make_bundle(small_bundle(12, 600));
  std::vector<std::vector<double>> errors;
  for (const std::size_t threads : {1, 2, 4}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    errors.push_back(BlockCovariance(problem, problem.initial()).standard_errors());
  }
  CHECK(errors[1] == errors[0]);
  CHECK(errors[2] == errors[0]);
}
