#include "problems/residual/bundle.h"

#include <algorithm>
#include <array>

#include "problems/residual/reprojection.h"

namespace kappa {

namespace {

constexpr std::array<const char*, 7> symmetry_names = {
    "translation x", "translation y", "translation z", "rotation x", "rotation y", "rotation z", "scale"};

/// Where a similarity of the world, X -> (1 + s) Exp(a) X + T, leads a point.
void move_point(const double* X, std::array<double, 21>& out) {
  out.fill(0);
  for (std::size_t k = 0; k < 3; ++k) {
    out[3 * k + k] = 1;
    out[18 + k] = X[k];
    // e_k x X
    out[3 * (3 + k) + (k + 1) % 3] = -X[(k + 2) % 3];
    out[3 * (3 + k) + (k + 2) % 3] = X[(k + 1) % 3];
  }
}

/// And what it must do to a camera, so that R(w) X + t is only scaled:
///
///   R(w') = R(w) Exp(-a)    hence   dw = -J_r(w)^-1 a,   J_r^-1 = I + [w]x / 2 + k [w]x^2
///   t' = (1 + s) t - R(w) T
///
/// with k = (c_3 - 2 c_4) / (2 c_2) of Stumpff's functions of |w|^2, see rotation.h (Sola, Deray & Atchuthan
/// 2018, eq. 144).
void move_camera(const double* camera, std::array<double, 63>& out) {
  out.fill(0);
  const double* w = camera;
  const double* t = camera + 3;
  const auto c = detail::stumpff<4>(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]);
  const double k = (c[3] - 2 * c[4]) / (2 * c[2]);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    double e[3] = {0, 0, 0};
    e[axis] = 1;
    double turned[3];
    AngleAxisRotatePoint(w, e, turned);
    const double once[3] = {w[1] * e[2] - w[2] * e[1], w[2] * e[0] - w[0] * e[2], w[0] * e[1] - w[1] * e[0]};
    const double twice[3] = {w[1] * once[2] - w[2] * once[1], w[2] * once[0] - w[0] * once[2],
                             w[0] * once[1] - w[1] * once[0]};
    for (std::size_t i = 0; i < 3; ++i) {
      out[9 * axis + 3 + i] = -turned[i];
      out[9 * (3 + axis) + i] = -(e[i] + once[i] / 2 + k * twice[i]);
    }
    out[9 * 6 + 3 + axis] = t[axis];
  }
}

/// Puts the part of each symmetry that a block has, `size` numbers, where its tangent entries are.
void spread(const double* parts, TangentRange range, std::vector<Symmetry>& out) {
  for (std::size_t g = 0; g < out.size() && !range.constant(); ++g) {
    std::copy_n(parts + static_cast<Index>(g) * range.size, range.size,
                out[g].direction.begin() + range.begin);
  }
}

std::vector<Symmetry> bundle_symmetries(const ResidualProblem& problem, ConstVectorRef x, Index cameras) {
  std::vector<Symmetry> out;
  for (const char* name : symmetry_names) {
    out.push_back({name, std::vector<double>(static_cast<std::size_t>(problem.tangent_dimension()), 0.0)});
  }
  std::array<double, 21> point_moves;
  std::array<double, 63> camera_moves;
  for (Index i = 0; i < problem.parameter_blocks(); ++i) {
    const ParameterBlock block{i};
    const double* values = problem.values(block, x).data();
    if (problem.manifold(block) != nullptr) {
      // Its entries are no longer those of the formulas.
      return {};
    }
    if (i < cameras) {
      move_camera(values, camera_moves);
      spread(camera_moves.data(), problem.tangent_range(block), out);
    } else {
      move_point(values, point_moves);
      spread(point_moves.data(), problem.tangent_range(block), out);
    }
  }
  return out;
}

}  // namespace

ResidualProblem make_bundle(const BalProblem& data, const Loss& loss) {
  ResidualProblem out;
  out.reserve(data.cameras + data.points, static_cast<Index>(data.parameters.size()), data.observations);
  const double* at = data.parameters.data();
  for (Index i = 0; i < data.cameras; ++i, at += 9) {
    out.add_parameters(ConstVectorRef(at, 9));
  }
  for (Index i = 0; i < data.points; ++i, at += 3) {
    out.add_parameters(ConstVectorRef(at, 3));
  }
  out.number({0}, data.cameras, "camera");
  out.number({data.cameras}, data.points, "point");
  for (Index k = 0; k < data.observations; ++k) {
    const auto o = static_cast<std::size_t>(k);
    const ParameterBlock camera{data.camera_index[o]};
    const ParameterBlock point{data.cameras + data.point_index[o]};
    out.add(autodiff<2, 9, 3>(Reprojection{data.observed[2 * o], data.observed[2 * o + 1]}), {camera, point},
            loss);
  }
  out.set_symmetries([cameras = data.cameras](const ResidualProblem& problem, ConstVectorRef x) {
    return bundle_symmetries(problem, x, cameras);
  });
  return out;
}

}  // namespace kappa
