/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the files share that make things go wrong: chaos.c, operators.c, stores.c and life.c.
 */
#ifndef FO_TESTS_SIM_CHAOS_H
#define FO_TESTS_SIM_CHAOS_H

#include "tests/sim/world.h"

/* chaos.c */
bool chaos_runs(const struct server *server);
/* Has either server rejected what the other has? (Its pool was away.) The other does not know it. */
bool chaos_rejects(const struct world *world);
/* Is nothing so that what follows nobody could protect: a store lost, a server to be told? */
bool chaos_calm(const struct world *world);
/* From wherever it is: its process begins, or its maintenance is over. */
void chaos_start(struct world *world, void *server, uint64_t unused);
void chaos_start_later(struct server *server);
/* It stops in order, and starts again. */
void chaos_restart(struct server *server);
/* A client is there again, in the second in which it gave back what it had. */
void chaos_came_back(struct server *server);

/* operators.c */
/* May the server not come back yet? Mends what keeps it from being heard. */
bool operators_hold_back(struct world *world, const struct server *server);
/* Is a server back that has not been told? Then nothing else may happen. */
bool operators_wait(struct world *world);
void operators_declare(struct server *server);
/* Its partner is declared down, whatever is so. */
bool operators_force(struct server *server);
/* By failover-shutdown or failover-maintenance-start; and whichever it was, it is over. */
void operators_take_out(struct server *server);
void operators_bring_back(struct server *server);

/* stores.c */
void stores_lose(struct server *server);
/* Both at once. */
void stores_lose_both(struct world *world);
void stores_roll_back(struct server *server);
void stores_found_old(struct server *server);

#endif
