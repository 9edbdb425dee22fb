/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Runs simulated lives by hand.
 *
 *   simulate [--seeds FIRST[-LAST]] [--events N] [--fault NAME] [--trace]
 *   simulate --faults [--events N]
 *
 * Prints each failing seed with what broke, and a summary; with --trace all that happens. A seed
 * replays exactly with the same number of events. With --faults it looks for each planted fault
 * (protocol/faults.h), and prints how it was found.
 */
#include "tests/sim/planted.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS_FOR_A_FAULT = 2000 };

static enum fo_fault fault_named(const char *name)
{
    for (int fault = 1; fault < FO_FAULT_COUNT; fault++)
        if (strcmp(name, planted_faults[fault].name) == 0)
            return (enum fo_fault)fault;
    fprintf(stderr, "simulate: no fault is named %s\n", name);
    exit(2);
}

/* The table of doc/testing.md; the number of faults that are not found. */
static int print_faults(uint64_t events)
{
    int missed = 0;
    printf("| fault | what is wrong | found by invariant | after so many lives |\n|---|---|---|---|\n");
    for (int fault = 1; fault < FO_FAULT_COUNT; fault++) {
        struct finding finding;
        const struct planted *planted = &planted_faults[fault];
        if (planted_is_found((enum fo_fault)fault, SEEDS_FOR_A_FAULT, events, &finding))
            printf("| %s | %s | %d | %llu |\n", planted->name, planted->what, (int)finding.broken,
                   (unsigned long long)finding.seeds);
        else
            printf("| %s | %s | NOT FOUND | %llu |\n", planted->name, planted->what,
                   (unsigned long long)finding.seeds), missed++;
        fflush(stdout);
    }
    return missed;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 's'},
                                            {"events", required_argument, NULL, 'e'},
                                            {"fault", required_argument, NULL, 'f'},
                                            {"faults", no_argument, NULL, 'F'},
                                            {"trace", no_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    unsigned long long first = 1, last = 500, events = 7000, failed = 0, grants = 0, steps = 0;
    enum fo_fault planted = FO_FAULT_NONE;
    bool trace = false, faults = false;
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
            planted = fault_named(optarg);
            break;
        case 'F':
            faults = true;
            break;
        case 't':
            trace = true;
            break;
        default:
            return 2;
        }
    }
    if (faults)
        return print_faults(events) != 0;
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
