/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The oracle: what every simulated client believes that it holds.
 *
 * It knows nothing of servers or failover, only what clients were told: "this address is yours for
 * so many seconds".  An address is held from its DHCPACK to the end of the lease, unless released
 * or declined by its client; a client that vanishes goes on holding.  Two holders of one address at
 * one moment, or a holder told DHCPNAK for the address that it holds, is a failure of the service,
 * whatever the servers think.
 *
 * Times are unix seconds.  When a client is acknowledged twice for one address, its last
 * acknowledgement counts, as for a real client; the answers of two servers to one and the same
 * request count as the longer of the two.
 */
#ifndef RIG_CLIENT_ORACLE_H
#define RIG_CLIENT_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* Servers and clients round times differently: a lease with this little left is not defended. */
#define HOLD_GUARD 0.1

struct hold {
    uint32_t address; /* 0: never held anything, or given back */
    double end;
    uint32_t server;
    bool forgotten; /* the client has vanished, its lease has not */
    uint32_t next;  /* chain of the address index: client number + 1 */
};

void oracle_init(struct hold *(*hold_of)(uint32_t client));

/* The client that holds the address at that time. */
bool oracle_holder(uint32_t address, double now, uint32_t *client);
bool oracle_holds(uint32_t client, uint32_t address, double now);

/* A DHCPACK has reached the client.  With `extra` an earlier, longer end stays.  False: another
 * client, `other`, holds the address. */
bool oracle_acknowledged(uint32_t client, uint32_t address, uint32_t server, double now, double end,
                         bool extra, uint32_t *other);
void oracle_given_back(uint32_t client);

/* One line with all holds. */
void oracle_print(double now);

#endif
