// The table behind mgh.h. A nonzero value was refined from the published one by Gauss-Newton and
// Newton steps in extended precision, until the relative step was below 1e-12; tests/unit/mgh_test.cpp
// checks that it agrees with the published digits, that the functor takes it at the minimiser, and
// that the gradient vanishes there. Values and minimisers with the source `derived` are in no table
// known to us; the text says why they are minima.
#include "problems/analytic/mgh.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <string>

namespace kappa {
namespace {

using enum MghMinimumKind;

constexpr const char* paper = "More, Garbow, Hillstrom 1981, section 3";

MghMinimum zero(std::vector<double> at, const char* source = paper) {
  return {global, 0.0, 0.0, std::move(at), source};
}

template <class Model>
MghProblem problem(int number, const char* name, const char* title, std::vector<double> standard_start,
                   std::vector<MghMinimum> minima) {
  return {number,           name, title, Model::parameters, Model::residuals, std::move(standard_start),
          std::move(minima)};
}

std::vector<double> constant(int size, double value) {
  return std::vector<double>(static_cast<std::size_t>(size), value);
}

std::vector<double> repeated(int times, std::initializer_list<double> pattern) {
  std::vector<double> all;
  for (int i = 0; i < times; ++i) {
    all.insert(all.end(), pattern);
  }
  return all;
}

template <class Formula>
std::vector<double> sequence(int size, Formula entry) {
  std::vector<double> all;
  for (int j = 1; j <= size; ++j) {
    all.push_back(entry(static_cast<double>(j)));
  }
  return all;
}

// The solution of (28) and (29) alike: h^2 times the Green's function of (29) is the inverse of the
// second differences of (28).
const std::vector<double>& boundary_value_solution() {
  static const std::vector<double> x{-0.043164982518764872, -0.081577156535386886, -0.11448571438052929,
                                     -0.14097357686259669,  -0.15990869618198313,  -0.16987720231277493,
                                     -0.16908998378120836,  -0.15524953522183183,  -0.125355891678935,
                                     -0.075416533685892092};
  return x;
}

std::vector<MghProblem> two_and_three_parameters() {
  using namespace mgh;
  return {
      problem<Rosenbrock>(1, "rosenbrock", "Rosenbrock", {-1.2, 1}, {zero({1, 1})}),
      problem<FreudensteinRoth>(
          2, "freudenstein-roth", "Freudenstein and Roth", {0.5, -2},
          {zero({5, 4}),
           {local, 48.984253679240021, 48.9842, {11.412778986902094, -0.89680525327447654}, paper}}),
      problem<PowellBadlyScaled>(
          3, "powell-badly-scaled", "Powell badly scaled", {0, 1},
          {zero({1.0981593296998053e-5, 9.1061467398666244}),
           {limit, 1e-8, 1e-8, {1e-12, 1e8}, "derived: x1 = 1e-4 / x2, x2 -> inf leaves r = (0, -1e-4)"}}),
      problem<BrownBadlyScaled>(4, "brown-badly-scaled", "Brown badly scaled", {1, 1}, {zero({1e6, 2e-6})}),
      problem<Beale>(5, "beale", "Beale", {1, 1},
                     {zero({3, 0.5}),
                      {limit,
                       14.203125 - 13.875 * 13.875 / 14.0,
                       14.203125 - 13.875 * 13.875 / 14.0,
                       {13.875 / 14.0 * 0x1p27, 1.0 - 0x1p-27},
                       "derived: x2 -> 1 with x1 (1 - x2) = c leaves r_i = y_i - c i, c = 13.875 / 14"}}),
      problem<JennrichSampson>(
          6, "jennrich-sampson", "Jennrich and Sampson", {0.3, 0.4},
          {{global, 124.36218235561485, 124.362, {0.25782521367036408, 0.25782521367036408}, paper},
           {limit,
            259.58019013425328,
            259.58019013425328,
            {-1000, 0.33148527792223214},
            "derived: x1 -> -inf (or x2) leaves one exponential to fit"}}),
      problem<HelicalValley>(7, "helical-valley", "Helical valley", {-1, 0, 0}, {zero({1, 0, 0})}),
      problem<Bard>(8, "bard", "Bard", {1, 1, 1},
                    {{global,
                      0.0082148773065789798,
                      8.21487e-3,
                      {0.082410559749788982, 1.1330360920297224, 2.3436951786425365},
                      paper},
                     {limit, 17.428693333333333, 17.4286, {0.84066666666666667, -1e10, -1e10}, paper}}),
      problem<Gaussian>(
          9, "gaussian", "Gaussian", {0.4, 1, 0},
          {{global, 1.127932769619011e-8, 1.12793e-8, {0.39895613783875668, 1.0000190844878057, 0}, paper}}),
      problem<Meyer>(10, "meyer", "Meyer", {0.02, 4000, 250},
                     {{global,
                       87.94585517085110,
                       87.9458,
                       {0.0056096364710059639, 6181.3463462896572, 345.22363462424714},
                       paper}}),
      problem<Gulf>(11, "gulf", "Gulf research and development", {5, 2.5, 0.15},
                    {zero({50, 25, 1.5}),
                     {local,
                      32.8345,
                      32.8345,
                      {99.895299351275723, 60.614539027998329, 9.1612426951375184},
                      "gonum, optimize/functions: on a curve where r1 = r2 = 0 and the other models are 0"}}),
      problem<Box3D>(12, "box-3d", "Box three-dimensional", {0, 10, 20},
                     {zero({1, 10, 1}),
                      zero({10, 1, -1}),
                      zero({1, 1, 0}, "More, Garbow, Hillstrom 1981, section 3: all of x1 = x2, x3 = 0"),
                      {limit,
                       0.075588740754997443,
                       0.075588740754997443,
                       {0.61360035252615933, 1000, 1.3199552092025278},
                       "derived: x2 -> inf leaves one exponential and the fixed shape to fit"}}),
  };
}

std::vector<MghProblem> four_and_more_parameters() {
  using namespace mgh;
  return {
      problem<PowellSingular>(13, "powell-singular", "Powell singular", {3, -1, 0, 1}, {zero({0, 0, 0, 0})}),
      problem<Wood>(14, "wood", "Wood", {-3, -1, -3, -1}, {zero({1, 1, 1, 1})}),
      problem<KowalikOsborne>(
          15, "kowalik-osborne", "Kowalik and Osborne", {0.25, 0.39, 0.415, 0.39},
          {{global,
            3.0750560384923779e-4,
            3.07505e-4,
            {0.19280693457903788, 0.19128232873436652, 0.12305650692632062, 0.13606233068379464},
            paper},
           {limit,
            1.027343048695458e-3,
            1.02734e-3,
            {0.022095935730168637e10, -14.075883400603307, -1e10, -0.62380134104869964e10},
            paper}}),
      problem<BrownDennis>(
          16, "brown-dennis", "Brown and Dennis", {25, 5, -5, -1},
          {{global,
            85822.201626356309,
            85822.2,
            {-11.594439904762164, 13.203630051207203, -0.40343948817685734, 0.23677877445572962},
            paper}}),
      problem<Osborne1>(
          17, "osborne-1", "Osborne 1", {0.5, 1.5, -1, 0.01, 0.02},
          {{global,
            5.4648946974829119e-5,
            5.46489e-5,
            {0.37541005210695194, 1.9358469127123549, -1.4646871366134106, 0.012867534640057264,
             0.022122699661672663},
            paper},
           {limit,
            0.024518295138746361,
            0.024518295138746361,
            {0.12935309417071712, 0.90456118202673209, -0.18991427619744923, 0.0040804784848088068, 1000},
            "derived: x5 -> inf leaves one exponential, and x3 to fit the first datum"}}),
      problem<BiggsExp6>(
          18, "biggs-exp6", "Biggs EXP6", {1, 2, 1, 1, 1, 1},
          {zero({1, 10, 1, 5, 4, 3}),
           zero({4, 10, 3, 5, 1, 1}),
           {local,
            0.0056556499254999461,
            5.65565e-3,
            {1.7114159947195877, 17.68319818094906, 1.1631436609188926, 5.1865615519934506,
             1.7114159947195877, 1.1631436609188926},
            paper},
           {limit,
            0.30636677262478998,
            0.306366772624790,
            {1.2275559475240318, 1000, 0.83270306333466, -1000, 1.2275559475240318, 0.83270306333466},
            "gonum, optimize/functions: x2 -> inf leaves one exponential"}}),
      problem<Osborne2>(19, "osborne-2", "Osborne 2", {1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5},
                        {{global,
                          0.040137736293547758,
                          4.01377e-2,
                          {1.3099771546276427, 0.43155379460543403, 0.63366169896043921, 0.59943053480389849,
                           0.75418322633358787, 0.90428857982854933, 1.3658118353291388, 4.8236988170040458,
                           2.3986848661380297, 4.5688745976524129, 5.6753414705690523},
                          paper},
                         {limit,
                          1.7898135868810932,
                          1.7898135868810932,
                          {0.91703841880339864, 6.5, 6.5, 7, 0.1327547810947387, 30, 50, 70, 20, 45, 55},
                          "derived: the three peaks lie beyond the data; the exponential alone is fitted"}}),
      problem<Watson>(20, "watson", "Watson", constant(Watson::parameters, 0),
                      {{global,
                        2.287670053552454e-3,
                        2.28767e-3,
                        {-0.015725086401458881, 1.0124348693691098, -0.23299162595673728, 1.260430087799605,
                         -1.5137289227222746, 0.99299643243113146},
                        "More, Garbow, Hillstrom 1981, section 3, n = 6"}}),
  };
}

std::vector<MghProblem> variable_dimension() {
  using namespace mgh;
  return {
      problem<ExtendedRosenbrock>(21, "extended-rosenbrock", "Extended Rosenbrock", repeated(5, {-1.2, 1}),
                                  {zero(constant(10, 1))}),
      problem<ExtendedPowellSingular>(22, "extended-powell-singular", "Extended Powell singular",
                                      repeated(3, {3, -1, 0, 1}), {zero(constant(12, 0))}),
      problem<PenaltyI>(23, "penalty-1", "Penalty I", sequence(10, [](double j) { return j; }),
                        {{global, 7.0876514670903697e-5, 7.08765e-5, constant(10, 0.15812230111311635),
                          "More, Garbow, Hillstrom 1981, section 3, n = 10"}}),
      problem<PenaltyII>(
          24, "penalty-2", "Penalty II", constant(10, 0.5),
          {{global,
            2.9366053745674596e-4,
            2.93660e-4,
            {0.19998360519782362, 0.010350648471291441, 0.019604934480438113, 0.032089067220686108,
             0.04993267739964158, 0.076513995153993795, 0.11862407286950369, 0.19214487233557639,
             0.34732058694184356, 0.36916437415935161},
            "More, Garbow, Hillstrom 1981, section 3, n = 10"}}),
      problem<VariablyDimensioned>(25, "variably-dimensioned", "Variably dimensioned",
                                   sequence(10, [](double j) { return 1.0 - j / 10.0; }),
                                   {zero(constant(10, 1))}),
      problem<Trigonometric>(
          26, "trigonometric", "Trigonometric", constant(10, 0.1),
          {zero(constant(10, 0)),
           zero({0.047911947303727149, 0.049184518166637436, 0.050608702894570721, 0.052223049389788419,
                 0.054083092294858733, 0.056273303466300526, 0.058932138535340543, 0.18639700138447556,
                 0.15434196040113907, 0.12462537696307193},
                "derived: another root"),
           {local,
            2.7950561218794565e-5,
            2.79506e-5,
            {0.055150903980691316, 0.056840616794738554, 0.058764001762695084, 0.060990608656760801,
             0.063626213695854505, 0.066843179452758804, 0.20816151856988117, 0.16436309588564774,
             0.085006895688507457, 0.091431450714707902},
            "More, Garbow, Hillstrom 1981, section 3, n = 10"},
           {local,
            4.4735658128062907e-7,
            4.4735658128062907e-7,
            {0.051538859428460997, 0.053021362014706796, 0.054696856858414314, 0.056619588754793854,
             0.058870647965249114, 0.061579660295690725, 0.2183766913371421, 0.069522597038456537,
             0.14372807598235332, 0.092531226470067444},
            "derived: a strict local minimum"},
           {local,
            4.2186338879237259e-5,
            4.2186338879237259e-5,
            {0.05391292537425286, 0.055496591379669544, 0.057285880932085478, 0.059336645443647421,
             0.061730127154342686, 0.25788600359635963, 0.068114182119554378, 0.072622931094130368,
             0.078461599252090626, 0.083753864086695996},
            "derived: a strict local minimum"},
           {local,
            8.7882252182189827e-4,
            8.7882252182189827e-4,
            {0.062491845180528408, 0.064472882809216944, 0.06670594132003343, 0.069244555698564469,
             0.27539756419528315, 0.075445667796675055, 0.079030159756534386, 0.08227326322319852,
             0.083639278893991064, 0.082088848270078904},
            "derived: a strict local minimum"}}),
      problem<BrownAlmostLinear>(
          27, "brown-almost-linear", "Brown almost-linear", constant(10, 0.5),
          {zero(constant(10, 1)),
           zero({0.97943030334986245, 0.97943030334986245, 0.97943030334986245, 0.97943030334986245,
                 0.97943030334986245, 0.97943030334986245, 0.97943030334986245, 0.97943030334986245,
                 0.97943030334986245, 1.2056969665013755},
                "More, Garbow, Hillstrom 1981, section 3: (a, ..., a, a^(1-n)), n a^n - (n+1) a^(n-1) = -1"),
           {local,
            1.0,
            1.0,
            {0, 0, 0, 0, 0, 0, 0, 0, 0, 11},
            "More, Garbow, Hillstrom 1981, section 3; stationary, but a degenerate saddle"}}),
      problem<DiscreteBoundaryValue>(28, "discrete-boundary-value", "Discrete boundary value",
                                     sequence(10, [](double j) { return j / 11.0 * (j / 11.0 - 1.0); }),
                                     {zero(boundary_value_solution())}),
      problem<DiscreteIntegralEquation>(29, "discrete-integral-equation", "Discrete integral equation",
                                        sequence(10, [](double j) { return j / 11.0 * (j / 11.0 - 1.0); }),
                                        {zero(boundary_value_solution())}),
      problem<BroydenTridiagonal>(
          30, "broyden-tridiagonal", "Broyden tridiagonal", constant(10, -1),
          {zero({-0.57072213201122479, -0.68180694998427509, -0.70221007601766003, -0.70551062989508039,
                 -0.70490615572874367, -0.70149660702985113, -0.69188932235479825, -0.66579651440585375,
                 -0.59603510902636571, -0.41641225752869335})}),
      problem<BroydenBanded>(
          31, "broyden-banded", "Broyden banded", constant(10, -1),
          {zero({-0.42830286358725027, -0.47659642435629024, -0.51965246364686173, -0.5580993248321809,
                 -0.59250615682945735, -0.62450368219946792, -0.62323947144059109, -0.6213938417965735,
                 -0.62045359665908736, -0.58646927072043507})}),
      problem<LinearFullRank>(
          32, "linear-full-rank", "Linear, full rank", constant(10, 1),
          {{global, 10.0, 10.0, constant(10, -1), "More, Garbow, Hillstrom 1981, section 3: m - n"}}),
      problem<LinearRank1>(33, "linear-rank-1", "Linear, rank 1", constant(10, 1),
                           {{global,
                             20.0 * 19.0 / (2.0 * 41.0),
                             20.0 * 19.0 / (2.0 * 41.0),
                             {3.0 / 41.0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                             "More, Garbow, Hillstrom 1981, section 3: m (m - 1) / (2 (2m + 1))"}}),
      problem<LinearRank1Zero>(34, "linear-rank-1-zero", "Linear, rank 1 with zero columns and rows",
                               constant(10, 1),
                               {{global,
                                 454.0 / 74.0,
                                 454.0 / 74.0,
                                 {0, 3.0 / 74.0, 0, 0, 0, 0, 0, 0, 0, 0},
                                 "More, Garbow, Hillstrom 1981, section 3: (m^2 + 3m - 6) / (2 (2m - 3))"}}),
      problem<Chebyquad>(35, "chebyquad", "Chebyquad", sequence(8, [](double j) { return j / 9.0; }),
                         {{global,
                           3.51687372567793e-3,
                           3.51687e-3,
                           {0.043152760151069082, 0.19309084038431418, 0.26632870689036847, 0.5, 0.5,
                            0.73367129310981624, 0.80690915961602958, 0.95684723984912711},
                           "More, Garbow, Hillstrom 1981, section 3, n = 8"}}),
  };
}

std::vector<MghProblem> all_problems() {
  std::vector<MghProblem> all = two_and_three_parameters();
  std::array parts{four_and_more_parameters(), variable_dimension()};
  for (std::vector<MghProblem>& part : parts) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

std::span<const MghProblem> mgh_problems() {
  static const std::vector<MghProblem> problems = all_problems();
  return problems;
}

const MghProblem& mgh_problem(std::string_view name_or_number) {
  std::string names;
  for (const MghProblem& candidate : mgh_problems()) {
    if (name_or_number == candidate.name || name_or_number == std::to_string(candidate.number)) {
      return candidate;
    }
    names += names.empty() ? "" : ", ";
    names += candidate.name;
  }
  throw Error("mgh: there is no problem '" + std::string(name_or_number) +
              "'; give a number from 1 to 35, or a name: " + names);
}

std::vector<double> start(const MghProblem& problem, double factor) {
  std::vector<double> x = problem.standard_start;
  const bool at_zero = std::all_of(x.begin(), x.end(), [](double entry) { return entry == 0.0; });
  for (double& entry : x) {
    if (!at_zero) {
      entry *= factor;
    } else if (factor != 1.0) {
      entry = factor;
    }
  }
  return x;
}

bool solved(const MghProblem& problem, double sum_of_squares) {
  return std::any_of(problem.minima.begin(), problem.minima.end(), [&](const MghMinimum& minimum) {
    if (minimum.value == 0.0) {
      return sum_of_squares >= 0.0 && sum_of_squares <= mgh_zero_tolerance;
    }
    const double tolerance = minimum.kind == limit ? mgh_limit_tolerance : mgh_relative_tolerance;
    return std::abs(sum_of_squares - minimum.value) <= tolerance * minimum.value;
  });
}

}  // namespace kappa
