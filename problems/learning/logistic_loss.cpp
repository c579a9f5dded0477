#include "problems/learning/logistic_loss.h"

#include "core/wide_vectors.h"

// Where the whole library is compiled for wide vectors there is nothing to choose at run time.
#if defined(__AVX2__)
#define KAPPA_LOSS_VECTORS
#else
#define KAPPA_LOSS_VECTORS KAPPA_WIDE_VECTORS
#endif

namespace kappa::detail {

KAPPA_LOSS_VECTORS void binary_losses(const BinaryLosses& batch) {
  const double* __restrict z = batch.z;
  const double* __restrict sign = batch.sign;
  double* __restrict loss = batch.loss;
  double* __restrict residual = batch.residual;
  double* __restrict curvature = batch.curvature;
  const Index count = batch.count;
  for (Index i = 0; i < count; ++i) {
    const double m = sign[i] * z[i];
    const double e = exp_of_negative(-std::fabs(m));
    const double whole = 1.0 / (1.0 + e);
    loss[i] = (m < 0.0 ? -m : 0.0) + log_of_one_plus(e);
    residual[i] = -sign[i] * (m < 0.0 ? whole : e * whole);
    curvature[i] = e * whole * whole;
  }
}

}  // namespace kappa::detail
