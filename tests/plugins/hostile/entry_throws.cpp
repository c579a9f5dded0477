// An entry that throws through the C interface.
#include <stdexcept>

#include "kappa/plugin.h"

extern "C" KAPPA_PLUGIN_EXPORT const kappa_plugin* kappa_plugin_entry(const kappa_host*, kappa_text) {
  throw std::runtime_error("thrown by the entry");
}
