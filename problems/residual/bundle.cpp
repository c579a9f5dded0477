#include "problems/residual/bundle.h"

#include "problems/residual/reprojection.h"

namespace kappa {

ResidualProblem make_bundle(const BalProblem& data, const Loss& loss) {
  ResidualProblem out;
  std::vector<ParameterBlock> blocks;
  blocks.reserve(static_cast<std::size_t>(data.cameras + data.points));
  const double* at = data.parameters.data();
  for (Index i = 0; i < data.cameras; ++i, at += 9) {
    blocks.push_back(out.add_parameters(ConstVectorRef(at, 9), "camera " + std::to_string(i)));
  }
  for (Index i = 0; i < data.points; ++i, at += 3) {
    blocks.push_back(out.add_parameters(ConstVectorRef(at, 3), "point " + std::to_string(i)));
  }
  for (Index k = 0; k < data.observations; ++k) {
    const auto o = static_cast<std::size_t>(k);
    const auto camera = static_cast<std::size_t>(data.camera_index[o]);
    const auto point = static_cast<std::size_t>(data.cameras + data.point_index[o]);
    out.add(autodiff<2, 9, 3>(Reprojection{data.observed[2 * o], data.observed[2 * o + 1]}),
            {blocks[camera], blocks[point]}, loss);
  }
  return out;
}

}  // namespace kappa
