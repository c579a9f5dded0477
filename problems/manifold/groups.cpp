// The groups: angles, SO(2), SE(2), SO(3), SE(3), and unit quaternions with Ceres's steps.
#include "problems/manifold/formulas.h"

namespace kappa {
namespace {

/// A formula as a Manifold: P and S in closed form, the derivative of plus away from 0 by jets.
template <class Formula>
class FormulaManifold final
    : public detail::DifferentiatedManifold<Formula::ambient, Formula::tangent, Formula> {
 public:
  explicit FormulaManifold(std::string name)
      : detail::DifferentiatedManifold<Formula::ambient, Formula::tangent, Formula>({}, std::move(name)) {}

 private:
  void do_plus_jacobian(const double* x, MatrixRef P) const override { Formula::jacobian(x, P); }
  void do_plus_second(const double* x, const double* w, MatrixRef S) const override {
    Formula::second(x, w, S);
  }
};

template <class Formula>
manifolds::Shared shared(const char* name) {
  static const manifolds::Shared only = std::make_shared<FormulaManifold<Formula>>(name);
  return only;
}

/// The formula in the order asked for.
template <template <QuaternionOrder> class Formula>
manifolds::Shared in_order(QuaternionOrder order, const char* name) {
  return order == QuaternionOrder::wxyz ? shared<Formula<QuaternionOrder::wxyz>>(name)
                                        : shared<Formula<QuaternionOrder::xyzw>>(name);
}

}  // namespace

namespace manifolds {

Shared angle() {
  return shared<detail::AngleFormula>("the angles");
}
Shared so2() {
  return shared<detail::So2Formula>("SO(2)");
}
Shared se2() {
  return shared<detail::Se2Formula>("SE(2)");
}
Shared so3(QuaternionOrder order) {
  return in_order<detail::So3Formula>(order, "SO(3)");
}
Shared se3(QuaternionOrder order) {
  return in_order<detail::Se3Formula>(order, "SE(3)");
}
Shared unit_quaternion(QuaternionOrder order) {
  return in_order<detail::UnitQuaternionFormula>(order, "the unit quaternions");
}

}  // namespace manifolds
}  // namespace kappa
