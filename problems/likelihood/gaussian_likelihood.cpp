#include "kappa/gaussian_likelihood.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <optional>
#include <utility>

#include "core/parallel.h"
#include "core/vector.h"
#include "problems/likelihood/gaussian_workspace.h"

namespace kappa {

using detail::GaussianWorkspace;

std::vector<Index> GaussianModel::covariance_parameters() const {
  std::vector<Index> out;
  for (Index i = 0; i < parameters(); ++i) {
    out.push_back(i);
  }
  return out;
}

void GaussianModel::mean(ConstVectorRef, VectorRef mu, MatrixRef) const {
  expects(mean_parameters().empty(), "GaussianModel: a model with mean parameters must override mean");
  std::fill(mu.begin(), mu.end(), 0.0);
}

void GaussianModel::mean_second(ConstVectorRef, ConstVectorRef, MatrixRef) const {
  expects(mean_parameters().empty(), "GaussianModel: a model with mean parameters must override mean_second");
}

namespace {

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// Dense p x p matrices of the models that were asked for.
class LikelihoodLinearization final : public Linearization {
 public:
  void reset(Index size) {
    size_ = size;
    have_ = {};
  }
  MatrixRef matrix(Model model) {
    std::vector<double>& values = of(model);
    values.assign(at(size_ * size_), 0.0);
    have_.insert(model);
    return {values.data(), size_, size_, size_};
  }

  Index size() const override { return size_; }

  void product(Model model, ConstVectorRef v, VectorRef out) const override {
    expects(static_cast<Index>(v.size()) == size_ && out.size() == v.size(),
            "LikelihoodLinearization::product: the vectors are not size() long");
    const ConstMatrixRef B = known(model);
    std::fill(out.begin(), out.end(), 0.0);
    for (Index j = 0; j < size_; ++j) {
      detail::add_scaled(v[at(j)], B.column(j), out.data(), size_);
    }
  }

  Offers offers(Model) const override { return {.diagonal = true, .dense = true}; }

  bool diagonal(Model model, VectorRef out) const override {
    expects(static_cast<Index>(out.size()) == size_,
            "LikelihoodLinearization::diagonal: out is not size() long");
    const ConstMatrixRef B = known(model);
    for (Index i = 0; i < size_; ++i) {
      out[at(i)] = B(i, i);
    }
    return true;
  }

  bool dense(Model model, MatrixRef out) const override {
    expects(out.rows == size_ && out.cols == size_,
            "LikelihoodLinearization::dense: out is not size() x size()");
    const ConstMatrixRef B = known(model);
    for (Index j = 0; j < size_; ++j) {
      std::copy_n(B.column(j), size_, out.column(j));
    }
    return true;
  }

 private:
  std::vector<double>& of(Model model) { return model == Model::exact ? exact_ : fisher_; }
  ConstMatrixRef known(Model model) const {
    expects(have_.contains(model), "LikelihoodLinearization: this model was not requested");
    const std::vector<double>& values = model == Model::exact ? exact_ : fisher_;
    return {values.data(), size_, size_, size_};
  }

  Index size_ = 0;
  ModelSet have_;
  std::vector<double> exact_, fisher_;
};

bool finite(ConstMatrixRef B) {
  for (Index j = 0; j < B.cols; ++j) {
    if (!detail::all_finite({B.column(j), at(B.rows)})) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct GaussianLikelihood::Impl {
  std::shared_ptr<const GaussianModel> model;
  std::vector<double> data;
  std::vector<double> lower, upper;
  std::mutex mutex;
  std::vector<std::unique_ptr<GaussianWorkspace>> idle;  ///< one for each thread that evaluates at once

  /// The one that was last at x, if any: its factor then serves again.
  std::unique_ptr<GaussianWorkspace> borrow(ConstVectorRef x) {
    const std::lock_guard lock(mutex);
    if (idle.empty()) {
      return std::make_unique<GaussianWorkspace>(*model, data);
    }
    auto chosen = std::find_if(idle.begin(), idle.end(), [&](const auto& w) { return w->is_at(x); });
    if (chosen == idle.end()) {
      chosen = idle.end() - 1;
    }
    std::unique_ptr<GaussianWorkspace> out = std::move(*chosen);
    idle.erase(chosen);
    return out;
  }
  void give_back(std::unique_ptr<GaussianWorkspace> workspace) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(workspace));
  }
};

GaussianLikelihood::GaussianLikelihood(std::shared_ptr<const GaussianModel> model, std::vector<double> data)
    : impl_(std::make_unique<Impl>()) {
  expects(model != nullptr, "GaussianLikelihood: the model is null");
  if (model->observations() < 1 || model->parameters() < 1) {
    throw Error("GaussianLikelihood: the model has " + std::to_string(model->observations()) +
                " observations and " + std::to_string(model->parameters()) +
                " parameters; it needs one of each at least");
  }
  if (static_cast<Index>(data.size()) != model->observations()) {
    throw Error("GaussianLikelihood: there are " + std::to_string(data.size()) + " data, but the model has " +
                std::to_string(model->observations()) + " observations; give one number for each");
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (!std::isfinite(data[i])) {
      throw Error("GaussianLikelihood: observation " + std::to_string(i) +
                  (std::isnan(data[i]) ? " is not a number" : " is infinite") +
                  "; leave out what was not observed");
    }
  }
  impl_->model = std::move(model);
  impl_->data = std::move(data);
}

GaussianLikelihood::~GaussianLikelihood() = default;
GaussianLikelihood::GaussianLikelihood(GaussianLikelihood&&) noexcept = default;
GaussianLikelihood& GaussianLikelihood::operator=(GaussianLikelihood&&) noexcept = default;

void GaussianLikelihood::set_bounds(ConstVectorRef lower, ConstVectorRef upper) {
  expects(static_cast<Index>(lower.size()) == dimension() && upper.size() == lower.size(),
          "GaussianLikelihood::set_bounds: lower and upper must be as long as there are parameters");
  for (Index i = 0; i < dimension(); ++i) {
    if (std::isnan(lower[at(i)]) || std::isnan(upper[at(i)])) {
      throw Error("GaussianLikelihood::set_bounds: a bound on " + variable_name(i) +
                  " is not a number; use infinity where there is none");
    }
  }
  impl_->lower.assign(lower.begin(), lower.end());
  impl_->upper.assign(upper.begin(), upper.end());
}

Index GaussianLikelihood::dimension() const {
  return impl_->model->parameters();
}
Bounds GaussianLikelihood::bounds() const {
  return {impl_->lower, impl_->upper, {}};
}
ModelSet GaussianLikelihood::models() const {
  return impl_->model->second_derivatives() ? ModelSet{Model::exact, Model::fisher} : ModelSet{Model::fisher};
}
std::string GaussianLikelihood::variable_name(Index i) const {
  return impl_->model->parameter_name(i);
}
const GaussianModel& GaussianLikelihood::model() const {
  return *impl_->model;
}
ConstVectorRef GaussianLikelihood::data() const {
  return impl_->data;
}

EvalStatus GaussianLikelihood::evaluate(const Request& request, Evaluation& evaluation) const {
  expects(static_cast<Index>(evaluation.x.size()) == dimension(),
          "GaussianLikelihood::evaluate: x is not dimension() long");
  expects(
      models().contains(request.models),
      "GaussianLikelihood::evaluate: it offers the models exact and fisher, exact only where the model has "
      "second derivatives");
  const bool needs_gradient =
      includes(request.want, Want::gradient) && !includes(evaluation.have, Want::gradient);
  const bool needs_models =
      includes(request.want, Want::linearization) &&
      !(includes(evaluation.have, Want::linearization) && evaluation.models.contains(request.models));

  std::unique_ptr<GaussianWorkspace> workspace = impl_->borrow(evaluation.x);
  // Returned also where a model throws.
  struct Return {
    Impl& impl;
    std::unique_ptr<GaussianWorkspace>& workspace;
    ~Return() { impl.give_back(std::move(workspace)); }
  } give_back{*impl_, workspace};

  const EvalStatus factored = workspace->factor(evaluation.x, request.interrupt, evaluation.fault);
  if (factored != EvalStatus::ok) {
    return factored;
  }
  if (!includes(evaluation.have, Want::value)) {
    evaluation.value = workspace->value();
    evaluation.have = evaluation.have | Want::value;
  }
  if (!needs_gradient && !needs_models) {
    return EvalStatus::ok;
  }

  std::optional<MatrixRef> exact;
  std::optional<MatrixRef> fisher;
  if (needs_models) {
    auto* linearization = dynamic_cast<LikelihoodLinearization*>(evaluation.linearization.get());
    if (linearization == nullptr) {
      auto made = std::make_unique<LikelihoodLinearization>();
      linearization = made.get();
      evaluation.linearization = std::move(made);
    }
    if (!includes(evaluation.have, Want::linearization)) {
      linearization->reset(dimension());
    }
    if (request.models.contains(Model::exact)) {
      exact = linearization->matrix(Model::exact);
    }
    if (request.models.contains(Model::fisher)) {
      fisher = linearization->matrix(Model::fisher);
    }
  }
  if (needs_gradient) {
    evaluation.gradient.resize(at(dimension()));
  }
  const EvalStatus differentiated =
      workspace->differentiate({.gradient = needs_gradient ? VectorRef(evaluation.gradient) : VectorRef(),
                                .exact = exact,
                                .fisher = fisher},
                               request.interrupt);
  if (differentiated != EvalStatus::ok) {
    return differentiated;
  }
  for (Index i = 0; needs_gradient && i < dimension(); ++i) {
    if (!std::isfinite(evaluation.gradient[at(i)])) {
      evaluation.fault = "the gradient by " + variable_name(i) + " is not finite";
      return EvalStatus::outside_domain;
    }
  }
  if ((exact && !finite(*exact)) || (fisher && !finite(*fisher))) {
    evaluation.fault = "second derivatives of the likelihood are not finite";
    return EvalStatus::outside_domain;
  }
  if (needs_gradient) {
    evaluation.have = evaluation.have | Want::gradient;
  }
  if (needs_models) {
    evaluation.have = evaluation.have | Want::linearization;
    evaluation.models.insert(request.models);
    evaluation.value_rounding = workspace->value_rounding();
  }
  return EvalStatus::ok;
}

}  // namespace kappa
