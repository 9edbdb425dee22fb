/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What one simulated client says and hears: the client's side of RFC 2131 for one order
 * ("discover", "renew", ...) at a time, retransmission included, and the lines that report it.
 *
 * An order ends with one line without "extra"; every other answer that reaches the client gives a
 * line with "extra":true (a second server's) or "stray":true (to an older or given-up exchange; a
 * real client ignores it).
 */
#ifndef RIG_CLIENT_DIALOGUE_H
#define RIG_CLIENT_DIALOGUE_H

#include "client_oracle.h"
#include "client_packet.h"

#define CLIENTS_MAX (1u << 20)
#define TARGETS_MAX 4

enum verb {
    DISCOVER,
    DISCOVER_ONLY,
    SELECT,
    RENEW,
    REBIND,
    REBOOT,
    INFORM,
    RELEASE,
    DECLINE,
    FORGET,
    VERB_COUNT
};

extern const char *const verb_names[VERB_COUNT];

/* One order with its keys.  Of the identity, what is not `set` stays as it was for the client. */
struct order {
    enum verb verb;
    char id[24]; /* repeated in each line */
    uint32_t ask, want, from;
    uint32_t servers[TARGETS_MAX];
    unsigned server_count, secs;
    double timeout;
    bool retransmit, broadcast;
    bool set_giaddr, set_client_id, set_host_name, set_option82;
    uint32_t giaddr;
    uint8_t client_id[ID_MAX], host_name[ID_MAX], option82[ID_MAX];
    size_t client_id_len, host_name_len, option82_len;
};

/* Servers that relays send to when an order names none. */
void dialogue_default_servers(const uint32_t *servers, unsigned count);
void dialogue_init(void);

void dialogue_start(uint32_t client, const struct order *order, double now);
void dialogue_answer(const struct dhcp_in *in, uint32_t client, double t);

/* Seconds until something is due (at most `limit`), and doing what is due. */
double dialogue_wait(double now, double limit);
void dialogue_timers(double now);

#endif
