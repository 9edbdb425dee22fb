/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The partner of a service in a still environment: an endpoint with real messages, over a wire that
 * carries them when the test says so. It has no bindings of its own: it tells what the test gives it
 * to tell, notes what it is told, and acknowledges when it is asked to.
 */
#ifndef FO_TESTS_UNIT_STILL_PARTNER_H
#define FO_TESTS_UNIT_STILL_PARTNER_H

#include "hook/service_internal.h"
#include "tests/unit/still_env.h"

/* The partner starts, of the service's first relationship, "a-b", of which the service is the primary;
   the service connects, and both come to state NORMAL. */
void still_partner_start(struct fo_service *service);
/* The service, which has just begun an attempt, connects once more. */
void still_partner_connect(struct fo_service *service);
/* Carries all that is said, commits, lets both answer, until nothing more happens. */
void still_partner_settle(struct fo_service *service);
/* The partner keeps its BNDACKs back, or says them now, the oldest first. */
void still_partner_hold(bool hold);
void still_partner_acknowledge(unsigned count);
bool still_partner_connected(void);
/* How often it was told of an address, and the status that it was told last. */
unsigned still_partner_told(uint32_t address, enum fo_binding_status *last);
/* The start-time-of-state that it was told last. */
uint32_t still_partner_told_since(uint32_t address);
/* The IP-flags that it was told last. */
uint16_t still_partner_told_flags(uint32_t address);
/* What it was told last of the address beside client and times; lives until the next call. */
struct fo_details still_partner_told_details(uint32_t address);
/* It tells this in its next BNDUPD; so long as the update's strings live. */
void still_partner_says(const struct fo_update *update);
/* Acknowledgements that it has received: accepted and rejected. */
unsigned still_partner_accepted(void), still_partner_rejected(void);
/* The reason of the last of the latter. */
enum fo_reject_reason still_partner_reason(void);
/* Its pools are no more than this range, which it says when it is settled next. */
void still_partner_pools(uint32_t first, uint32_t last);
/* It rejects this address from now on, for this reason and in these words (FO_REJECT_NONE: no more). */
void still_partner_rejects(uint32_t address, enum fo_reject_reason reason);

#endif
