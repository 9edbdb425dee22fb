/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the files of the oracle share: a server's table as a world sees it, and true time. All times of
 * both servers are compared in true time: their clocks' differences are known here.
 */
#ifndef FO_TESTS_SIM_ORACLE_H
#define FO_TESTS_SIM_ORACLE_H

#include "tests/sim/world.h"

enum { TOLERANCE = FO_EXPIRY_GUARD + 1 /* seconds: and whole seconds in headers */ };

/* A server's time in true seconds since 1970; 0 stays 0. */
int64_t oracle_true(const struct server *server, uint32_t seconds);
/* By how much two servers may differ about a moment, in true seconds: more, the longer their clocks will
   drift apart until then. */
int64_t oracle_tolerance(const struct world *world, int64_t moment);
/* The world's, in the same. */
int64_t oracle_seconds(int64_t ms);
bool oracle_runs(const struct server *server);
struct server *oracle_partner(struct server *server);
/* The number of the client that a record has; -1: none. */
int oracle_client(struct world *world, const struct fo_binding *binding);
struct fo_pool *oracle_pool(const struct server *server, uint32_t address); /* NULL: in none */
uint8_t oracle_status(const struct server *server, uint32_t address);
bool oracle_reserved(const struct world *world, uint32_t address);

#endif
