#include "problems/residual/bundle.h"

#include "problems/residual/reprojection.h"

namespace kappa {

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
  return out;
}

}  // namespace kappa
