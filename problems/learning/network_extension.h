// The layers of a network as the table that plugins ask for (include/kappa/plugin_network.h).
#pragma once

#include "kappa/network.h"
#include "kappa/plugin_network.h"

namespace kappa::detail {

/// The table of a linearization, valid as long as it and until it is evaluated again.
kappa_network_layers layers_table(const NetworkLinearization& linearization);

}  // namespace kappa::detail
