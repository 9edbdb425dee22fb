/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The one packet socket through which all simulated clients and relays speak and listen.
 *
 * It finds servers' MAC addresses (by ARP, or from what they send), answers ARP for addresses that
 * clients hold and for relays, and hands over DHCP answers that are really addressed to a client of
 * ours: to its MAC, to everybody, or to its relay.  Times of arrival are the kernel's, so that a
 * busy process does not lengthen leases or latencies.
 */
#ifndef RIG_CLIENT_WIRE_H
#define RIG_CLIENT_WIRE_H

#include "client_packet.h"

/* Exits with a message on failure. */
int wire_open(const char *interface);

/* Fills in the MAC address of an unicast destination; waits for ARP without blocking. */
void wire_send(struct dhcp_out *out, double now);
void wire_relay_add(uint32_t giaddr);

/* Reads what has arrived and calls `answer` for each DHCP message. */
void wire_receive(void (*answer)(const struct dhcp_in *in, uint32_t client, double t));

double unix_now(void);

#endif
