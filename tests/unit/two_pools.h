/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A primary in a still environment with two pools, of which a configuration may lack the first, or leave it
 * to Kea alone, and a
 * partner that acknowledges when it is told to.
 */
#ifndef FO_TESTS_UNIT_TWO_POOLS_H
#define FO_TESTS_UNIT_TWO_POOLS_H

#include "tests/unit/still_partner.h"

enum { FIRST = 0x0a000040, SIZE = 64, OTHER = FIRST + 0x1000, THIRD = FIRST + 0x2000, MCLT = 60 };

extern struct fo_service *service;
extern struct fo_relationship *relationship;
extern struct fo_config config;
extern const uint8_t hardware[7]; /* of the partner's client, with its type */

/* A fixture: both servers in state NORMAL. */
void two_pools_start(void);
void two_pools_stop(void);
/* Loads a configuration with the second pool, and the first one where `whole`. */
void load(bool whole);
/* Loads one with both, and a third one. */
void load_third(void);
/* Loads one in which the first pool's subnet is of no relationship. */
void leave(void);
uint32_t now(void);

struct fo_pool *pool_of(uint32_t address);
bool is_set(const struct fo_bitmap *bitmap, uint32_t address);
enum fo_binding_status status_of(uint32_t address);
/* A free address of the pool that begins there: the partner's, where `backup`, or ours. */
uint32_t one_of(uint32_t first, bool backup);

/* What the partner has asked for by UPDREQALL is held and marked. */
void finish_walk(void);
/* Rows follow, commits are made, and the partner answers where it does not hold back. */
void settle(void);
/* The partner says this of an address in its next BNDUPD; where it is ACTIVE, of a client that is always
   the same. Or it does so at once, and all follows. */
void tells(uint32_t address, enum fo_binding_status status);
void says(uint32_t address, enum fo_binding_status status);
/* An address of the partner's, leased by it, of which both know. */
uint32_t leased(uint32_t first);

#endif
