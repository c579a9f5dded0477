// Everything a program needs to state a problem and solve it. eigen.h, which includes Eigen, is apart.
#pragma once

#include "kappa/base.h"
#include "kappa/covariance.h"
#include "kappa/derivatives.h"
#include "kappa/differentiate.h"
#include "kappa/function.h"
#include "kappa/gaussian_likelihood.h"
#include "kappa/gaussian_process.h"
#include "kappa/manifold.h"
#include "kappa/method.h"
#include "kappa/minimize.h"
#include "kappa/problem.h"
#include "kappa/registry.h"
#include "kappa/residuals.h"
#include "kappa/rotation.h"
#include "kappa/version.h"
