/* The layout of version 1 of plugin.h on 64-bit machines, for C and C++: a field that moves breaks the
 * plugins that are built already. Fields that are appended leave every line here as it is, and raise the
 * sizes alone, which are therefore lower bounds. */
#include <stddef.h>

#ifdef __cplusplus
#define LAYOUT_HOLDS(condition, text) static_assert(condition, text)
#else
#define LAYOUT_HOLDS(condition, text) _Static_assert(condition, text)
#endif
#define LAYOUT(table, field, at) LAYOUT_HOLDS(offsetof(table, field) == (at), #table "." #field " has moved")
#define LAYOUT_SIZE(table, size) LAYOUT_HOLDS(sizeof(table) >= (size), #table " has shrunk")
#define LAYOUT_VALUE(name, value) LAYOUT_HOLDS((name) == (value), #name " has changed")

LAYOUT_VALUE(KAPPA_PLUGIN_ABI, 1u);
LAYOUT_VALUE(KAPPA_OK, 0);
LAYOUT_VALUE(KAPPA_ABSENT, 1);
LAYOUT_VALUE(KAPPA_OUTSIDE_DOMAIN, 2);
LAYOUT_VALUE(KAPPA_INDEFINITE, 3);
LAYOUT_VALUE(KAPPA_FAILED, 4);
LAYOUT_VALUE(KAPPA_INTERRUPTED, 5);
LAYOUT_VALUE(KAPPA_UNFIT, 6);
LAYOUT_VALUE(KAPPA_ERROR, -1);
LAYOUT_VALUE(KAPPA_WRONG_OPTION, -2);
LAYOUT_VALUE(KAPPA_BROKEN_CONTRACT, -3);
LAYOUT_VALUE(KAPPA_OUT_OF_MEMORY, -4);
LAYOUT_VALUE(KAPPA_MODEL_EXACT, 0u);
LAYOUT_VALUE(KAPPA_MODEL_GAUSS_NEWTON, 1u);
LAYOUT_VALUE(KAPPA_MODEL_FISHER, 2u);
LAYOUT_VALUE(KAPPA_MODEL_SAMPLED_FISHER, 3u);
LAYOUT_VALUE(KAPPA_MODEL_EMPIRICAL_FISHER, 4u);
LAYOUT_VALUE(KAPPA_MODEL_SQUARED_MEAN_GRADIENT, 5u);
LAYOUT_VALUE(KAPPA_CONTROL_RADIUS, 0);
LAYOUT_VALUE(KAPPA_CONTROL_DAMPING, 1);
LAYOUT_VALUE(KAPPA_CONTROL_CUBIC_WEIGHT, 2);
LAYOUT_VALUE(KAPPA_CONTROL_STEP_LENGTH, 3);
LAYOUT_VALUE(KAPPA_LOG_DEBUG, 0);
LAYOUT_VALUE(KAPPA_LOG_NOTE, 1);
LAYOUT_VALUE(KAPPA_LOG_WARNING, 2);
LAYOUT_VALUE(KAPPA_DEFINITENESS_UNKNOWN, 0);
LAYOUT_VALUE(KAPPA_POSITIVE_SEMIDEFINITE, 1);
LAYOUT_VALUE(KAPPA_SOLVE_ABSENT, 0);
LAYOUT_VALUE(KAPPA_SOLVE_EXACT, 1);
LAYOUT_VALUE(KAPPA_SOLVE_APPROXIMATE, 2);
LAYOUT_VALUE(KAPPA_NEEDS_PREVIOUS, 1u);
LAYOUT_VALUE(KAPPA_NEEDS_BLOCKS, 2u);
LAYOUT_VALUE(KAPPA_LIMIT_INTERIOR, 0);
LAYOUT_VALUE(KAPPA_LIMIT_BOUNDARY, 1);
LAYOUT_VALUE(KAPPA_LIMIT_BOUNDS, 2);
LAYOUT_VALUE(KAPPA_TRIAL_VALUE, 0);
LAYOUT_VALUE(KAPPA_TRIAL_VALUE_AND_GRADIENT, 1);
LAYOUT_VALUE(KAPPA_TRIAL_NOTHING, 2);
LAYOUT_VALUE(KAPPA_ACCEPT, 0);
LAYOUT_VALUE(KAPPA_ACCEPT_KEPT, 1);
LAYOUT_VALUE(KAPPA_RETRY, 2);
LAYOUT_VALUE(KAPPA_GIVE_UP, 3);
LAYOUT_VALUE(KAPPA_PART_CURVATURE, 0);
LAYOUT_VALUE(KAPPA_PART_STEP_SOLVER, 1);
LAYOUT_VALUE(KAPPA_PART_LINEAR_SOLVER, 2);
LAYOUT_VALUE(KAPPA_PART_ACCEPTANCE, 3);
LAYOUT_VALUE(KAPPA_PART_LOSS, 4);
LAYOUT_VALUE(KAPPA_PART_PROBLEM, 5);

LAYOUT_SIZE(kappa_text, 16);
LAYOUT(kappa_text, data, 0);
LAYOUT(kappa_text, capacity, 8);

LAYOUT_SIZE(kappa_host, 40);
LAYOUT(kappa_host, struct_size, 0);
LAYOUT(kappa_host, abi, 8);
LAYOUT(kappa_host, reserved, 12);
LAYOUT(kappa_host, version, 16);
LAYOUT(kappa_host, log, 24);
LAYOUT(kappa_host, parallel_for, 32);

LAYOUT_SIZE(kappa_blocks, 64);
LAYOUT(kappa_blocks, struct_size, 0);
LAYOUT(kappa_blocks, blocks, 8);
LAYOUT(kappa_blocks, offset, 16);
LAYOUT(kappa_blocks, row_start, 24);
LAYOUT(kappa_blocks, column, 32);
LAYOUT(kappa_blocks, value_start, 40);
LAYOUT(kappa_blocks, values, 48);
LAYOUT(kappa_blocks, elimination_group, 56);

LAYOUT_SIZE(kappa_root, 40);
LAYOUT(kappa_root, struct_size, 0);
LAYOUT(kappa_root, A, 8);
LAYOUT(kappa_root, rows, 16);
LAYOUT(kappa_root, stride, 24);
LAYOUT(kappa_root, c, 32);

LAYOUT_SIZE(kappa_point, 200);
LAYOUT(kappa_point, struct_size, 0);
LAYOUT(kappa_point, self, 8);
LAYOUT(kappa_point, dimension, 16);
LAYOUT(kappa_point, tangent_dimension, 24);
LAYOUT(kappa_point, residuals, 32);
LAYOUT(kappa_point, sample, 40);
LAYOUT(kappa_point, models, 48);
LAYOUT(kappa_point, reserved, 52);
LAYOUT(kappa_point, value, 56);
LAYOUT(kappa_point, x, 64);
LAYOUT(kappa_point, gradient, 72);
LAYOUT(kappa_point, product, 80);
LAYOUT(kappa_point, diagonal, 88);
LAYOUT(kappa_point, dense, 96);
LAYOUT(kappa_point, blocks, 104);
LAYOUT(kappa_point, root, 112);
LAYOUT(kappa_point, jacobian_product, 120);
LAYOUT(kappa_point, jacobian_transpose_product, 128);
LAYOUT(kappa_point, residual_vector, 136);
LAYOUT(kappa_point, jacobian_rows, 144);
LAYOUT(kappa_point, term_gradients, 152);
LAYOUT(kappa_point, cross_gradient, 160);
LAYOUT(kappa_point, second_directional, 168);
LAYOUT(kappa_point, recursive_diagonal, 176);
LAYOUT(kappa_point, sampled_gradient, 184);
LAYOUT(kappa_point, query, 192);

LAYOUT_SIZE(kappa_operator, 88);
LAYOUT(kappa_operator, struct_size, 0);
LAYOUT(kappa_operator, self, 8);
LAYOUT(kappa_operator, size, 16);
LAYOUT(kappa_operator, definiteness, 24);
LAYOUT(kappa_operator, solve_kind, 28);
LAYOUT(kappa_operator, multiply, 32);
LAYOUT(kappa_operator, diagonal, 40);
LAYOUT(kappa_operator, dense, 48);
LAYOUT(kappa_operator, blocks, 56);
LAYOUT(kappa_operator, root, 64);
LAYOUT(kappa_operator, second_directional, 72);
LAYOUT(kappa_operator, solve_damped, 80);

LAYOUT_SIZE(kappa_curvature_needs, 16);
LAYOUT(kappa_curvature_needs, struct_size, 0);
LAYOUT(kappa_curvature_needs, models, 8);
LAYOUT(kappa_curvature_needs, flags, 12);

LAYOUT_SIZE(kappa_trial, 96);
LAYOUT(kappa_trial, struct_size, 0);
LAYOUT(kappa_trial, evaluated, 8);
LAYOUT(kappa_trial, step_status, 12);
LAYOUT(kappa_trial, current_value, 16);
LAYOUT(kappa_trial, value, 24);
LAYOUT(kappa_trial, slope, 32);
LAYOUT(kappa_trial, rounding, 40);
LAYOUT(kappa_trial, step_slope, 48);
LAYOUT(kappa_trial, predicted_decrease, 56);
LAYOUT(kappa_trial, step_norm, 64);
LAYOUT(kappa_trial, longest, 72);
LAYOUT(kappa_trial, ratio, 80);
LAYOUT(kappa_trial, limit, 88);
LAYOUT(kappa_trial, reserved, 92);

LAYOUT_SIZE(kappa_curvature, 88);
LAYOUT(kappa_curvature, struct_size, 0);
LAYOUT(kappa_curvature, create, 8);
LAYOUT(kappa_curvature, destroy, 16);
LAYOUT(kappa_curvature, needs, 24);
LAYOUT(kappa_curvature, start, 32);
LAYOUT(kappa_curvature, refresh, 40);
LAYOUT(kappa_curvature, at_point, 48);
LAYOUT(kappa_curvature, judged, 56);
LAYOUT(kappa_curvature, products, 64);
LAYOUT(kappa_curvature, save, 72);
LAYOUT(kappa_curvature, load, 80);

LAYOUT_SIZE(kappa_subproblem, 56);
LAYOUT(kappa_subproblem, struct_size, 0);
LAYOUT(kappa_subproblem, size, 8);
LAYOUT(kappa_subproblem, B, 16);
LAYOUT(kappa_subproblem, gradient, 24);
LAYOUT(kappa_subproblem, weights, 32);
LAYOUT(kappa_subproblem, interrupt, 40);
LAYOUT(kappa_subproblem, interrupted, 48);

LAYOUT_SIZE(kappa_step_report, 56);
LAYOUT(kappa_step_report, struct_size, 0);
LAYOUT(kappa_step_report, slope, 8);
LAYOUT(kappa_step_report, predicted_decrease, 16);
LAYOUT(kappa_step_report, norm, 24);
LAYOUT(kappa_step_report, limit, 32);
LAYOUT(kappa_step_report, reserved, 36);
LAYOUT(kappa_step_report, blame, 40);
LAYOUT(kappa_step_report, inner_iterations, 48);

LAYOUT_SIZE(kappa_step_solver, 88);
LAYOUT(kappa_step_solver, struct_size, 0);
LAYOUT(kappa_step_solver, control, 8);
LAYOUT(kappa_step_solver, flags, 12);
LAYOUT(kappa_step_solver, create, 16);
LAYOUT(kappa_step_solver, destroy, 24);
LAYOUT(kappa_step_solver, start, 32);
LAYOUT(kappa_step_solver, unfit, 40);
LAYOUT(kappa_step_solver, prepare, 48);
LAYOUT(kappa_step_solver, solve, 56);
LAYOUT(kappa_step_solver, resolve, 64);
LAYOUT(kappa_step_solver, describe, 72);
LAYOUT(kappa_step_solver, factorizations, 80);

LAYOUT_SIZE(kappa_linear_solver, 56);
LAYOUT(kappa_linear_solver, struct_size, 0);
LAYOUT(kappa_linear_solver, create, 8);
LAYOUT(kappa_linear_solver, destroy, 16);
LAYOUT(kappa_linear_solver, analyze, 24);
LAYOUT(kappa_linear_solver, factor, 32);
LAYOUT(kappa_linear_solver, solve, 40);
LAYOUT(kappa_linear_solver, describe, 48);

LAYOUT_SIZE(kappa_start, 40);
LAYOUT(kappa_start, struct_size, 0);
LAYOUT(kappa_start, gradient_norm, 8);
LAYOUT(kappa_start, point_norm, 16);
LAYOUT(kappa_start, value, 24);
LAYOUT(kappa_start, variables, 32);

LAYOUT_SIZE(kappa_verdict, 24);
LAYOUT(kappa_verdict, struct_size, 0);
LAYOUT(kappa_verdict, next, 8);
LAYOUT(kappa_verdict, decision, 16);
LAYOUT(kappa_verdict, keep, 20);

LAYOUT_SIZE(kappa_acceptance, 48);
LAYOUT(kappa_acceptance, struct_size, 0);
LAYOUT(kappa_acceptance, control, 8);
LAYOUT(kappa_acceptance, needs, 12);
LAYOUT(kappa_acceptance, create, 16);
LAYOUT(kappa_acceptance, destroy, 24);
LAYOUT(kappa_acceptance, start, 32);
LAYOUT(kappa_acceptance, judge, 40);

LAYOUT_SIZE(kappa_loss, 32);
LAYOUT(kappa_loss, struct_size, 0);
LAYOUT(kappa_loss, create, 8);
LAYOUT(kappa_loss, destroy, 16);
LAYOUT(kappa_loss, evaluate, 24);

LAYOUT_SIZE(kappa_problem, 64);
LAYOUT(kappa_problem, struct_size, 0);
LAYOUT(kappa_problem, create, 8);
LAYOUT(kappa_problem, destroy, 16);
LAYOUT(kappa_problem, dimension, 24);
LAYOUT(kappa_problem, initial, 32);
LAYOUT(kappa_problem, evaluate, 40);
LAYOUT(kappa_problem, product, 48);
LAYOUT(kappa_problem, bounds, 56);

LAYOUT_SIZE(kappa_part, 56);
LAYOUT(kappa_part, struct_size, 0);
LAYOUT(kappa_part, kind, 8);
LAYOUT(kappa_part, reserved, 12);
LAYOUT(kappa_part, name, 16);
LAYOUT(kappa_part, summary, 24);
LAYOUT(kappa_part, source, 32);
LAYOUT(kappa_part, options, 40);
LAYOUT(kappa_part, table, 48);

LAYOUT_SIZE(kappa_plugin, 48);
LAYOUT(kappa_plugin, struct_size, 0);
LAYOUT(kappa_plugin, abi, 8);
LAYOUT(kappa_plugin, reserved, 12);
LAYOUT(kappa_plugin, name, 16);
LAYOUT(kappa_plugin, version, 24);
LAYOUT(kappa_plugin, parts, 32);
LAYOUT(kappa_plugin, part, 40);
