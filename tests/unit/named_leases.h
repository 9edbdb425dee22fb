/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A primary in a still environment, with leases that have names, and a partner that acknowledges when it
 * is told to. Kea's main thread is a function that notes what it is asked for.
 */
#ifndef FO_TESTS_UNIT_NAMED_LEASES_H
#define FO_TESTS_UNIT_NAMED_LEASES_H

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, MCLT = 60, DISCOVER = 1, REQUEST = 3, RELEASE = 7 };

extern struct fo_service *service;
extern struct fo_relationship *relationship;
extern struct fo_pool *pool;
extern uint8_t hardware[7];       /* the client's, with its type */
extern unsigned removals;         /* of names in DNS, asked of Kea's main thread */
extern struct fo_row last_row;    /* that it was given */
extern const struct fo_details names, other_name, nothing;

void named_setup(void);
/* With this address reserved for somebody, 0: none. */
void named_setup_reserving(uint32_t address);
void named_teardown(void);
uint32_t now(void);
/* Kea's main thread does what there is to do. */
void rows(void);
/* The partner hears and answers, commits are made, rows follow. */
void settle(void);
void same(struct fo_details a, struct fo_details b);
struct fo_binding *record(uint32_t address);
enum fo_binding_status status_of(uint32_t address);
/* A lease of ours is given (address 0: a new one) or renewed with these details; its address. */
uint32_t lease(const struct fo_details *details, uint32_t address);
void release_lease(uint32_t address, bool removed_by_kea);
/* The partner tells of the address. */
void says(uint32_t address, enum fo_binding_status status, const struct fo_details *details,
          uint32_t transaction);
/* The end of the lease comes. */
void lapse_of_time(uint32_t address);
/* A free one. */
uint32_t partners_address(void);

#endif
