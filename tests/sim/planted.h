/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The proof that the simulation can fail: lives in which one rule is wrong (protocol/faults.h), until
 * one of them breaks an invariant that the fault is expected to break.
 */
#ifndef FO_TESTS_SIM_PLANTED_H
#define FO_TESTS_SIM_PLANTED_H

#include "tests/sim/world.h"

enum kind { KIND_ORDINARY, KIND_CROWDED, KIND_FRAGILE, KIND_FORGETFUL, KIND_LONELY, KIND_RESERVED,
            KIND_THRIFTY, KIND_FICKLE, KIND_SHIFTING, KIND_BRITTLE };

struct planted {
    const char *name;
    const char *expected; /* digits: invariants */
    enum kind kind;       /* of worlds in which it is looked for */
    const char *what;     /* is wrong */
};

/* By enum fo_fault; the first is none. */
extern const struct planted planted_faults[FO_FAULT_COUNT];

struct finding {
    uint64_t seeds;  /* lives that it took */
    uint64_t events; /* in all of them */
    enum invariant broken;
    char failure[600];
};

/* Seeds 1 to `most`; false where none finds it. */
bool planted_is_found(enum fo_fault fault, uint64_t most, uint64_t events, struct finding *finding);

#endif
