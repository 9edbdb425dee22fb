/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See planted.h. */
#include "tests/sim/planted.h"

#include <string.h>

const struct planted planted_faults[FO_FAULT_COUNT] = {
    {"none", "", KIND_ORDINARY, "nothing"},
#define FO_FAULT_ROW(name, text, found, kind, what) {text, found, KIND_##kind, what},
    FO_FAULTS(FO_FAULT_ROW)
#undef FO_FAULT_ROW
};

bool planted_is_found(enum fo_fault fault, uint64_t most, uint64_t events, struct finding *finding)
{
    memset(finding, 0, sizeof *finding);
    for (uint64_t seed = 1; seed <= most && finding->broken == INVARIANT_NONE; seed++) {
        struct world *world = world_new(seed, fault, false);
        simulate_life(world, events);
        finding->seeds++;
        finding->events += world->events_run;
        if (world->failed && strchr(planted_faults[fault].expected, '0' + (int)world->broken)) {
            finding->broken = world->broken;
            memcpy(finding->failure, world->failure, sizeof finding->failure);
        }
        world_free(world);
    }
    return finding->broken != INVARIANT_NONE;
}
