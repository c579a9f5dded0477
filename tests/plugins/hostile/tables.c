/* Tables that are wrong, one fault at a time: that of the environment variable KAPPA_HOSTILE. */
#include <stdlib.h>
#include <string.h>

#include "kappa/plugin.h"

static kappa_status create(const kappa_host* host, const char* options, void** self, kappa_text error) {
  (void)host, (void)options, (void)error;
  *self = NULL;
  return KAPPA_OK;
}
static void destroy(void* self) {
  (void)self;
}
static kappa_status needs(void* self, kappa_curvature_needs* out) {
  (void)self, (void)out;
  return KAPPA_OK;
}
static kappa_status refresh(void* self, const kappa_point* now, const kappa_point* previous,
                            const double* step, kappa_text error) {
  (void)self, (void)now, (void)previous, (void)step, (void)error;
  return KAPPA_OK;
}
static const kappa_operator* at_point(void* self) {
  (void)self;
  return NULL;
}

static kappa_curvature curvature;
static kappa_part part;
static const kappa_part* parts[2];
static kappa_plugin plugin;

KAPPA_PLUGIN_EXPORT const kappa_plugin* kappa_plugin_entry(const kappa_host* host, kappa_text error) {
  const char* fault = getenv("KAPPA_HOSTILE");
  (void)host;
  if (fault == NULL) {
    fault = "";
  }
  memset(&curvature, 0, sizeof curvature);
  curvature.struct_size = sizeof curvature;
  curvature.create = create;
  curvature.destroy = destroy;
  curvature.needs = needs;
  curvature.refresh = refresh;
  curvature.at_point = at_point;
  memset(&part, 0, sizeof part);
  part.struct_size = sizeof part;
  part.kind = KAPPA_PART_CURVATURE;
  part.name = "hostile-table";
  part.options = "[]";
  part.table = &curvature;
  parts[0] = &part;
  parts[1] = &part;
  memset(&plugin, 0, sizeof plugin);
  plugin.struct_size = sizeof plugin;
  plugin.abi = KAPPA_PLUGIN_ABI;
  plugin.name = "hostile-tables";
  plugin.version = "1";
  plugin.parts = 1;
  plugin.part = parts;

  if (strcmp(fault, "null") == 0) {
    return NULL;
  } else if (strcmp(fault, "null-long-text") == 0) {
    memset(error.data, 'x', (size_t)error.capacity); /* to the last byte, and no closing 0 */
    return NULL;
  } else if (strcmp(fault, "version-0") == 0) {
    plugin.abi = 0;
  } else if (strcmp(fault, "version-99") == 0) {
    plugin.abi = 99;
  } else if (strcmp(fault, "size-0") == 0) {
    plugin.struct_size = 0;
  } else if (strcmp(fault, "size-huge") == 0) {
    plugin.struct_size = UINT64_MAX;
  } else if (strcmp(fault, "part-size-0") == 0) {
    part.struct_size = 0;
  } else if (strcmp(fault, "part-size-huge") == 0) {
    part.struct_size = UINT64_MAX;
  } else if (strcmp(fault, "table-size-0") == 0) {
    curvature.struct_size = 0;
  } else if (strcmp(fault, "table-size-huge") == 0) {
    curvature.struct_size = UINT64_MAX;
  } else if (strcmp(fault, "table-size-short") == 0) {
    curvature.struct_size = 3 * sizeof(void*); /* ends after destroy */
  } else if (strcmp(fault, "no-parts") == 0) {
    plugin.parts = 0;
  } else if (strcmp(fault, "parts-negative") == 0) {
    plugin.parts = -1;
  } else if (strcmp(fault, "parts-huge") == 0) {
    plugin.parts = INT64_MAX;
  } else if (strcmp(fault, "parts-null") == 0) {
    plugin.part = NULL;
  } else if (strcmp(fault, "part-null") == 0) {
    parts[0] = NULL;
  } else if (strcmp(fault, "part-twice") == 0) {
    plugin.parts = 2;
  } else if (strcmp(fault, "table-null") == 0) {
    part.table = NULL;
  } else if (strcmp(fault, "no-create") == 0) {
    curvature.create = NULL;
  } else if (strcmp(fault, "no-destroy") == 0) {
    curvature.destroy = NULL;
  } else if (strcmp(fault, "no-refresh") == 0) {
    curvature.refresh = NULL;
  } else if (strcmp(fault, "no-at-point") == 0) {
    curvature.at_point = NULL;
  } else if (strcmp(fault, "kind") == 0) {
    part.kind = 17;
  } else if (strcmp(fault, "name-null") == 0) {
    plugin.name = NULL;
  } else if (strcmp(fault, "part-name") == 0) {
    part.name = "Not A Name\n";
  } else if (strcmp(fault, "name-taken") == 0) {
    part.name = "exact";
  } else if (strcmp(fault, "options-text") == 0) {
    part.options = "{{{";
  } else if (strcmp(fault, "options-deep") == 0) {
    static char deep[100001];
    memset(deep, '[', sizeof deep - 1);
    part.options = deep;
  } else if (strcmp(fault, "options-null-default") == 0) {
    part.options = "[{\"name\": \"memory\", \"default\": null}]";
  }
  return &plugin;
}
