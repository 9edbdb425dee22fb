/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One primary alone in a still environment, of one pool, and its clients: what their packets ask, as
 * the callouts would. Every second free address is the partner's.
 */
#ifndef FO_TESTS_UNIT_STILL_PRIMARY_H
#define FO_TESTS_UNIT_STILL_PRIMARY_H

#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

enum {
    FIRST = 0x0a000040, SIZE = 64, LAST = FIRST + SIZE - 1,
    RESERVED = FIRST + 40, /* even: FREE */
    OUTSIDE = FIRST + 1000,
    DISCOVER = 1, REQUEST = 3, DECLINE = 4, RELEASE = 7, MCLT = 60,
};

extern struct fo_service *service;
extern struct fo_relationship *relationship;
/* Of the packet that is under way. */
extern struct fo_query query;
extern struct fo_decision decision;

/* A fixture: in state NORMAL, and the end, with nothing left of its memory. */
void still_primary_start(void);
void still_primary_stop(void);
void still_primary_enter(enum fo_state state);

/* The so-manieth client whose bucket is ours, or the partner's. */
void client(bool ours, unsigned number);
/* Passes the query as far as subnet4_select. */
enum fo_answer ask(uint8_t type);
/* A DISCOVER; 0: no answer. */
uint32_t offered(void);
enum fo_answer select_address(uint32_t address);
enum fo_answer reboot(uint32_t address);
enum fo_answer renew(uint32_t address);
/* Kea grants what was claimed; returns the length of the lease. */
uint32_t granted(uint32_t desired);
/* All of that: the address that the client has got. */
uint32_t lease(bool ours, unsigned number);

#endif
