/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Figure 7.1.3-1: rows are the status in the receiving server, columns that in the BNDUPD. The
 * notes in it are functions below, numbered as there.
 */
#include "protocol/binding.h"

enum rule { ACCEPT, TIME1, TIME2, TIME3, REJECT4, CLIENT5 };

static const uint8_t figure[FO_BACKUP + 1][FO_BACKUP + 1] = {
#define ROW(active, expired, released, free_backup, reset_abandoned)                       \
    {[FO_ACTIVE] = active, [FO_EXPIRED] = expired, [FO_RELEASED] = released,               \
     [FO_FREE] = free_backup, [FO_BACKUP] = free_backup, [FO_RESET] = reset_abandoned,     \
     [FO_ABANDONED] = reset_abandoned}
    /*                   ACTIVE   EXPIRED  RELEASED FREE/BACKUP RESET/ABANDONED */
    [FO_ACTIVE] = ROW(CLIENT5, TIME2, TIME1, TIME2, ACCEPT),
    [FO_EXPIRED] = ROW(TIME1, ACCEPT, ACCEPT, ACCEPT, ACCEPT),
    [FO_RELEASED] = ROW(TIME1, TIME1, ACCEPT, ACCEPT, ACCEPT),
    [FO_FREE] = ROW(ACCEPT, ACCEPT, ACCEPT, ACCEPT, ACCEPT),
    [FO_BACKUP] = ROW(ACCEPT, ACCEPT, ACCEPT, ACCEPT, ACCEPT),
    [FO_RESET] = ROW(TIME3, ACCEPT, ACCEPT, ACCEPT, ACCEPT),
    [FO_ABANDONED] = ROW(REJECT4, REJECT4, REJECT4, REJECT4, ACCEPT),
#undef ROW
};

static enum fo_reject_reason accept_if(bool condition, enum fo_reject_reason otherwise)
{
    return condition ? FO_REJECT_NONE : otherwise;
}

/* "if a BNDUPD doesn't have a client-last-transaction-time value, then it MUST NOT be considered
   later"; if only the receiver has none, it MUST be. */
static bool transaction_later(const struct fo_judgement *j, uint32_t than)
{
    return j->received_has_transaction && (than == 0 || j->received_transaction > than);
}

enum fo_reject_reason fo_binding_judge(const struct fo_judgement *j)
{
    /* "receiving server does not show the IP address as reserved" (7.1.3, last paragraph) */
    if (j->received_reserved && j->received_status == FO_BACKUP && !j->own_reserved)
        return FO_REJECT_NOT_RESERVED;
    switch ((enum rule)figure[j->own_status][j->received_status]) {
    case ACCEPT:
        return FO_REJECT_NONE;
    case TIME1:
        return accept_if(transaction_later(j, j->own_transaction), FO_REJECT_OUTDATED);
    case TIME2:
        return accept_if(j->now > j->own_lease_expiration, FO_REJECT_OUTDATED);
    case TIME3:
        return accept_if(transaction_later(j, j->own_start_of_state), FO_REJECT_OUTDATED);
    case REJECT4:
        return FO_REJECT_LESS_CRITICAL;
    case CLIENT5:
        return accept_if(j->same_client || !j->own_has_client || j->we_are_secondary,
                         FO_REJECT_IN_USE);
    }
    return FO_REJECT_OTHER;
}

const char *fo_binding_missing(const struct fo_update *update)
{
    static const uint8_t active[] = {FO_OPT_CLIENT_HARDWARE_ADDRESS, FO_OPT_LEASE_EXPIRATION_TIME,
                                     FO_OPT_POTENTIAL_EXPIRATION_TIME};
    if (!(update->present & FO_HAS(FO_OPT_BINDING_STATUS)))
        return fo_option_name(FO_OPT_BINDING_STATUS);
    for (size_t i = 0; update->status == FO_ACTIVE && i < sizeof active; i++)
        if (!(update->present & FO_HAS(active[i])))
            return fo_option_name(active[i]);
    return NULL;
}

bool fo_status_becomes_free(enum fo_binding_status status)
{
    return status == FO_EXPIRED || status == FO_RELEASED || status == FO_RESET;
}
