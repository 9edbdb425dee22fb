/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What of the draft's tables was played, and what was not: see coverage.c. It is noted in memory that
 * the processes share in which Check plays the files.
 */
#ifndef FO_TESTS_SCENARIOS_COVERAGE_H
#define FO_TESTS_SCENARIOS_COVERAGE_H

#include "protocol/message.h"

enum coverage_table { COVERAGE_NO_TABLE, COVERAGE_TRANSITIONS, COVERAGE_ACCEPTANCE, COVERAGE_SERVICE };
struct coverage_cell {
    unsigned table, row, column;
};

/* Before it nothing is noted. */
void coverage_begin(void);
void coverage_state_changed(enum fo_state from, enum fo_state to);
/* NULL where everything was played; else what was not. */
const char *coverage_of_transitions(void);
const char *coverage_of_arrows(void);
const char *coverage_of_acceptance(void);
const char *coverage_of_service(void);

/* The cell after this one; all zero first. False: there is none. */
bool coverage_next(struct coverage_cell *cell);
/* From now on this cell of its table answers wrongly (all zero: none does). */
void coverage_plant(struct coverage_cell cell);

#endif
