// Methods as the command line writes them.
#pragma once

#include <string>

#include "kappa/method.h"

namespace kappa::bench {

/// "newton,curvature=hessian-free,curvature.model=gauss-newton,globalization=armijo". Throws Error for names
/// and options that do not exist.
Method parse_method(const std::string& text);

}  // namespace kappa::bench
