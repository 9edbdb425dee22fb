/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Runs simulated lives by hand.
 *
 *   simulate [--seeds FIRST[-LAST]] [--events N] [--fault NAME] [--trace]
 *
 * Prints each failing seed with what broke, and a summary; with --trace all that happens. A seed
 * replays exactly with the same number of events.
 */
#include "tests/sim/world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned fault;
} faults[] = {
    {"no-clamp", FO_FAULT_NO_CLAMP},
    {"early-ack", FO_FAULT_EARLY_ACK},
    {"no-claim", FO_FAULT_NO_CLAIM},
};

static unsigned fault_named(const char *name)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (strcmp(name, faults[i].name) == 0)
            return faults[i].fault;
    fprintf(stderr, "simulate: no fault is named %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 's'},
                                            {"events", required_argument, NULL, 'e'},
                                            {"fault", required_argument, NULL, 'f'},
                                            {"trace", no_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    unsigned long long first = 1, last = 500, events = 4000, failed = 0, grants = 0, steps = 0;
    unsigned planted = 0;
    bool trace = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            if (sscanf(optarg, "%llu-%llu", &first, &last) == 1)
                last = first;
            break;
        case 'e':
            events = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            planted |= fault_named(optarg);
            break;
        case 't':
            trace = true;
            break;
        default:
            return 2;
        }
    }
    for (unsigned long long seed = first; seed <= last; seed++) {
        struct world *world = world_new(seed, planted, trace);
        if (!simulate_life(world, events)) {
            printf("%s\n", world->failure);
            fflush(stdout);
            failed++;
        }
        grants += world->grants;
        steps += world->events_run;
        world_free(world);
    }
    printf("%llu events, %llu leases\n", steps, grants);
    printf("%llu passed, %llu failed\n", last - first + 1 - failed, failed);
    return failed != 0;
}
