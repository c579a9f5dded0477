// FunctionProblem: callbacks as a Problem, with finite differences for what is missing.
//
//   gradient   (f(x + h e_i) - f(x - h e_i)) / 2h,  h = eps^(1/3) max(1, |x_i|), 2 n values; beside the edge
//   of
//              the domain (4 f(x + h) - 3 f(x) - f(x + 2h)) / 2h on the side that is inside
//   product    (g(x + h v) - g(x - h v)) / 2h,      h = eps^(1/3) max(1, |x|) / |v|, in the largest entry,
//              2 gradients; eps^(2/9) where g itself is a difference
//   Hessian    the callback's, symmetrised, or products with the unit vectors
//
// No difference is taken across a bound: a gradient entry uses the side that is inside, and a product is
// split into the part of v that may go forward and the part that may go backward, each with the formula of
// one side. Only where bounds lie closer together than a difference is wide they are overstepped.
//
// A gradient by differences is good to about 11 digits, a product of exact gradients to 10, of differences
// to 7. The diagonal and the dense matrix are offered where there is a Hessian callback, or up to 64
// variables.
#include <algorithm>
#include <cmath>

#include "core/scratch.h"
#include "kappa/function.h"

namespace kappa {
namespace {

constexpr Index few_variables = 64;

double largest(ConstVectorRef v) {
  double most = 0;
  for (const double entry : v) {
    most = std::fmax(most, std::fabs(entry));
  }
  return most;
}

Index first_not_finite(ConstVectorRef v) {
  return std::find_if_not(v.begin(), v.end(), [](double entry) { return std::isfinite(entry); }) - v.begin();
}

std::string shown(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

bool value_at(const Callbacks& callbacks, ConstVectorRef x, double& value) {
  if (callbacks.value) {
    return callbacks.value(x, value);
  }
  detail::Scratch<double> unused(callbacks.dimension);
  return callbacks.value_and_gradient(x, value, unused.span());
}

bool finite_value_at(const Callbacks& callbacks, ConstVectorRef x, double& value) {
  return value_at(callbacks, x, value) && std::isfinite(value);
}

/// Whether x[i] may become `value` in a difference of which `width` is the largest distance.
bool allowed(const Bounds& bounds, std::size_t i, double value, double width) {
  return bounds.empty() || (value >= bounds.lower[i] && value <= bounds.upper[i]) ||
         bounds.upper[i] - bounds.lower[i] < 2 * width;
}

/// Gradient by differences; false where neither side of x is inside the domain.
bool difference_gradient(const Callbacks& callbacks, const Bounds& bounds, ConstVectorRef x, double centre,
                         VectorRef gradient) {
  detail::Scratch<double> point(callbacks.dimension);
  std::copy(x.begin(), x.end(), point.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double& xi = point.data()[i];
    const double wanted = std::cbrt(epsilon) * std::fmax(1.0, std::fabs(x[i]));
    // The step as rounding leaves it.
    volatile double moved = x[i] + wanted;
    const double h = moved - x[i];
    const auto at = [&](double distance, double& value) {
      xi = x[i] + distance;
      const bool inside = allowed(bounds, i, xi, 2 * h) && finite_value_at(callbacks, point.span(), value);
      xi = x[i];
      return inside;
    };
    double above = 0;
    double below = 0;
    double beyond = 0;
    const bool inside_above = at(h, above);
    const bool inside_below = at(-h, below);
    if (inside_above && inside_below) {
      gradient[i] = (above - below) / (2 * h);
    } else if (inside_above && at(2 * h, beyond)) {
      gradient[i] = (4 * above - 3 * centre - beyond) / (2 * h);
    } else if (inside_below && at(-2 * h, beyond)) {
      gradient[i] = -(4 * below - 3 * centre - beyond) / (2 * h);
    } else if (!bounds.empty() && bounds.lower[i] == bounds.upper[i]) {
      gradient[i] = 0;  // a fixed variable next to the edge of the domain: nothing depends on it
    } else {
      return false;
    }
  }
  return true;
}

bool gradient_at(const Callbacks& callbacks, const Bounds& bounds, ConstVectorRef x, double& value,
                 VectorRef gradient) {
  if (callbacks.value_and_gradient) {
    return callbacks.value_and_gradient(x, value, gradient);
  }
  return finite_value_at(callbacks, x, value) && difference_gradient(callbacks, bounds, x, value, gradient);
}

/// out += H w by gradients at x, x + h w and x + 2 h w (h < 0 to go backward).
bool add_one_sided_product(const Callbacks& callbacks, const Bounds& bounds, ConstVectorRef x,
                           ConstVectorRef w, double h, VectorRef out) {
  if (largest(w) == 0) {
    return true;
  }
  detail::Scratch<double> point(callbacks.dimension);
  detail::Scratch<double> gradient(callbacks.dimension);
  constexpr double weights[] = {-1.5, 2, -0.5};
  double value = 0;
  for (int k = 0; k < 3; ++k) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      point.data()[i] = x[i] + k * h * w[i];
    }
    if (!gradient_at(callbacks, bounds, point.span(), value, gradient.span())) {
      return false;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      out[i] += weights[k] * gradient.data()[i] / h;
    }
  }
  return true;
}

/// The product at a point where x + h v or x - h v is outside the bounds.
bool product_beside_bounds(const Callbacks& callbacks, const Bounds& bounds, ConstVectorRef x,
                           ConstVectorRef v, double h, VectorRef out) {
  detail::Scratch<double> forward(callbacks.dimension);
  detail::Scratch<double> backward(callbacks.dimension);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double reach = 2 * h * v[i];
    const bool goes_forward = allowed(bounds, i, x[i] + reach, std::fabs(reach));
    forward.data()[i] = goes_forward ? v[i] : 0.0;
    backward.data()[i] = goes_forward ? 0.0 : v[i];
  }
  std::fill(out.begin(), out.end(), 0.0);
  return add_one_sided_product(callbacks, bounds, x, forward.span(), h, out) &&
         add_one_sided_product(callbacks, bounds, x, backward.span(), -h, out);
}

/// Hessian times v by differences of gradients; false where x +- h v is outside the domain.
bool difference_product(const Callbacks& callbacks, const Bounds& bounds, ConstVectorRef x, ConstVectorRef v,
                        VectorRef out) {
  const double length = largest(v);
  if (length == 0) {
    std::fill(out.begin(), out.end(), 0.0);
    return true;
  }
  const double relative = callbacks.value_and_gradient ? std::cbrt(epsilon) : std::pow(epsilon, 2.0 / 9.0);
  const double h = relative * std::fmax(1.0, largest(x)) / length;
  for (std::size_t i = 0; !bounds.empty() && i < x.size(); ++i) {
    const double reach = std::fabs(h * v[i]);
    if (!allowed(bounds, i, x[i] - reach, 2 * reach) || !allowed(bounds, i, x[i] + reach, 2 * reach)) {
      return product_beside_bounds(callbacks, bounds, x, v, h, out);
    }
  }
  detail::Scratch<double> point(callbacks.dimension);
  detail::Scratch<double> below(callbacks.dimension);
  double value = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    point.data()[i] = x[i] + h * v[i];
  }
  if (!gradient_at(callbacks, bounds, point.span(), value, out)) {
    return false;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    point.data()[i] = x[i] - h * v[i];
  }
  if (!gradient_at(callbacks, bounds, point.span(), value, below.span())) {
    return false;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i] = (out[i] - below.data()[i]) / (2 * h);
  }
  return true;
}

class FunctionLinearization final : public Linearization {
 public:
  /// False where a Hessian that is evaluated at once has an entry that is not finite; it is then at
  /// (fault_row, fault_column).
  bool linearize(const Callbacks& callbacks, const Bounds& bounds, ConstVectorRef x) {
    callbacks_ = &callbacks;
    bounds_ = bounds;
    x_.assign(x.begin(), x.end());
    filled_ = false;
    refused_ = false;
    if (!callbacks.hessian || (callbacks.hessian_product && size() > few_variables)) {
      return true;
    }
    fill();
    for (Index j = 0; j < size() && !refused_; ++j) {
      for (Index i = 0; i < size(); ++i) {
        if (!std::isfinite(matrix()(i, j))) {
          fault_row = i;
          fault_column = j;
          return false;
        }
      }
    }
    return !refused_;
  }
  Index fault_row = -1;
  Index fault_column = -1;

  Index size() const override { return callbacks_->dimension; }

  void product(Model model, ConstVectorRef v, VectorRef out) const override {
    check(model);
    expects(static_cast<Index>(v.size()) == size() && v.size() == out.size(),
            "FunctionLinearization::product: the vectors are not size() long");
    bool inside = true;
    if (callbacks_->hessian_product) {
      inside = callbacks_->hessian_product(x_, v, out);
    } else if (callbacks_->hessian) {
      fill();
      std::fill(out.begin(), out.end(), 0.0);
      for (Index j = 0; j < size(); ++j) {
        for (Index i = 0; i < size(); ++i) {
          out[static_cast<std::size_t>(i)] += matrix()(i, j) * v[static_cast<std::size_t>(j)];
        }
      }
    } else {
      inside = difference_product(*callbacks_, bounds_, x_, v, out);
    }
    if (!inside) {
      std::fill(out.begin(), out.end(), std::nan(""));
    }
  }

  Offers offers(Model) const override { return {.diagonal = offers_matrix(), .dense = offers_matrix()}; }

  bool diagonal(Model model, VectorRef out) const override {
    check(model);
    expects(static_cast<Index>(out.size()) == size(),
            "FunctionLinearization::diagonal: out is not size() long");
    if (!offers_matrix()) {
      return false;
    }
    fill();
    for (Index i = 0; i < size(); ++i) {
      out[static_cast<std::size_t>(i)] = matrix()(i, i);
    }
    return true;
  }

  bool dense(Model model, MatrixRef out) const override {
    check(model);
    expects(out.rows == size() && out.cols == size(),
            "FunctionLinearization::dense: out is not size() x size()");
    if (!offers_matrix()) {
      return false;
    }
    fill();
    for (Index j = 0; j < size(); ++j) {
      std::copy_n(matrix().column(j), size(), out.column(j));
    }
    return true;
  }

 private:
  static void check(Model model) {
    expects(model == Model::exact, "FunctionLinearization: it offers the model exact");
  }
  bool offers_matrix() const { return callbacks_->hessian || size() <= few_variables; }
  MatrixRef matrix() const { return {matrix_.data(), size(), size(), size()}; }

  /// The dense Hessian; not a number throughout where it cannot be evaluated.
  void fill() const {
    if (filled_) {
      return;
    }
    const Index n = size();
    matrix_.resize(static_cast<std::size_t>(n * n));
    bool inside = true;
    if (callbacks_->hessian) {
      inside = callbacks_->hessian(x_, matrix());
    } else {
      detail::Scratch<double> unit(n);
      std::fill_n(unit.data(), n, 0.0);
      for (Index j = 0; j < n; ++j) {
        unit[j] = 1;
        product(Model::exact, unit.span(), {matrix().column(j), static_cast<std::size_t>(n)});
        unit[j] = 0;
      }
    }
    if (!inside) {
      std::fill(matrix_.begin(), matrix_.end(), std::nan(""));
      refused_ = true;
    }
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < j; ++i) {
        const double mean = 0.5 * (matrix()(i, j) + matrix()(j, i));
        matrix()(i, j) = mean;
        matrix()(j, i) = mean;
      }
    }
    filled_ = true;
  }

  const Callbacks* callbacks_ = nullptr;
  Bounds bounds_;
  std::vector<double> x_;
  mutable std::vector<double> matrix_;
  mutable bool filled_ = false;
  mutable bool refused_ = false;
};

}  // namespace

FunctionProblem::FunctionProblem(Callbacks callbacks) : callbacks_(std::move(callbacks)) {
  if (callbacks_.dimension <= 0) {
    throw Error("FunctionProblem: the dimension is " + std::to_string(callbacks_.dimension) +
                ", but must be positive; set Callbacks::dimension");
  }
  if (!callbacks_.value && !callbacks_.value_and_gradient) {
    throw Error(
        "FunctionProblem: there is no function; set Callbacks::value or Callbacks::value_and_gradient");
  }
}

void FunctionProblem::set_bound(std::vector<double>& side, Index i, double value, const char* where) {
  if (i < 0 || i >= dimension()) {
    throw Error(std::string("FunctionProblem::") + where + ": there is no variable " + std::to_string(i) +
                " in a function of " + std::to_string(dimension()));
  }
  if (std::isnan(value)) {
    throw Error(std::string("FunctionProblem::") + where + ": the bound on " + variable_name(i) +
                " is not a number; use infinity where there is none");
  }
  if (lower_.empty()) {
    lower_.assign(static_cast<std::size_t>(dimension()), -infinity);
    upper_.assign(static_cast<std::size_t>(dimension()), infinity);
  }
  side[static_cast<std::size_t>(i)] = value;
}

void FunctionProblem::set_lower(Index i, double value) {
  set_bound(lower_, i, value, "set_lower");
}

void FunctionProblem::set_upper(Index i, double value) {
  set_bound(upper_, i, value, "set_upper");
}

void FunctionProblem::set_bounds(ConstVectorRef lower, ConstVectorRef upper) {
  expects(static_cast<Index>(lower.size()) == dimension() && upper.size() == lower.size(),
          "FunctionProblem::set_bounds: lower and upper must be as long as the function has variables");
  for (Index i = 0; i < dimension(); ++i) {
    set_bound(lower_, i, lower[static_cast<std::size_t>(i)], "set_bounds");
    set_bound(upper_, i, upper[static_cast<std::size_t>(i)], "set_bounds");
  }
}

EvalStatus FunctionProblem::evaluate(const Request& request, Evaluation& evaluation) const {
  const auto n = static_cast<std::size_t>(dimension());
  expects(evaluation.x.size() == n, "FunctionProblem::evaluate: x is not dimension() long");
  expects(models().contains(request.models), "FunctionProblem::evaluate: it offers the model exact");
  const auto wants = [&](Want part) {
    return includes(request.want, part) && !includes(evaluation.have, part);
  };
  const auto outside = [&](std::string fault) {
    evaluation.fault = std::move(fault);
    return EvalStatus::outside_domain;
  };
  if (request.interrupt != nullptr && request.interrupt->requested()) {
    return EvalStatus::interrupted;
  }

  if (wants(Want::value) || wants(Want::gradient)) {
    double value = 0;
    const bool differentiate = wants(Want::gradient);
    if (differentiate) {
      evaluation.gradient.resize(n);
    }
    const bool own_gradient = differentiate && callbacks_.value_and_gradient;
    const bool inside = own_gradient ? callbacks_.value_and_gradient(evaluation.x, value, evaluation.gradient)
                                     : value_at(callbacks_, evaluation.x, value);
    if (!inside) {
      return outside("the function returned false");
    }
    if (!std::isfinite(value)) {
      return outside("the value is " + shown(value));
    }
    if (differentiate && !own_gradient &&
        !difference_gradient(callbacks_, bounds(), evaluation.x, value, evaluation.gradient)) {
      return outside("the function is not finite on either side of x, so its gradient cannot be differenced");
    }
    if (differentiate) {
      const Index i = first_not_finite(evaluation.gradient);
      if (i < dimension()) {
        return outside("gradient entry " + std::to_string(i) + " (" + variable_name(i) + ") is " +
                       shown(evaluation.gradient[static_cast<std::size_t>(i)]));
      }
      evaluation.have = evaluation.have | Want::gradient;
    }
    if (!includes(evaluation.have, Want::value)) {
      evaluation.value = value;
      evaluation.have = evaluation.have | Want::value;
    }
  }

  if (wants(Want::linearization)) {
    auto* linearization = dynamic_cast<FunctionLinearization*>(evaluation.linearization.get());
    if (linearization == nullptr) {
      auto made = std::make_unique<FunctionLinearization>();
      linearization = made.get();
      evaluation.linearization = std::move(made);
    }
    linearization->fault_row = -1;
    if (!linearization->linearize(callbacks_, bounds(), evaluation.x)) {
      const Index i = linearization->fault_row;
      const Index j = linearization->fault_column;
      return outside(i < 0 ? "the Hessian callback returned false"
                           : "Hessian entry (" + std::to_string(i) + ", " + std::to_string(j) + ") (" +
                                 variable_name(i) + ", " + variable_name(j) + ") is not finite");
    }
    evaluation.have = evaluation.have | Want::linearization;
    evaluation.models.insert(Model::exact);
  }
  return EvalStatus::ok;
}

std::string FunctionProblem::variable_name(Index i) const {
  return callbacks_.variable_name ? callbacks_.variable_name(i) : Problem::variable_name(i);
}

std::vector<std::string> FunctionProblem::notes(ModelSet models) const {
  std::vector<std::string> notes;
  if (!callbacks_.value_and_gradient) {
    notes.emplace_back("the gradient is a central difference of the value (" +
                       std::to_string(2 * dimension()) + " values)");
  }
  if (models.contains(Model::exact) && !callbacks_.hessian_product) {
    if (callbacks_.hessian) {
      notes.emplace_back("Hessian-vector products use the dense Hessian");
    } else {
      notes.emplace_back("Hessian-vector products are central differences of the gradient (2 gradients)");
    }
  }
  if (models.contains(Model::exact) && !callbacks_.hessian) {
    notes.emplace_back("the Hessian is assembled from products with the unit vectors");
  }
  return notes;
}

}  // namespace kappa
