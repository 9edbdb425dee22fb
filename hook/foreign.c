/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the partner tells of addresses that are in no pool here, and never were. Its updates are rejected (7.1.3,
 * reject reason 1), so it goes on counting its leases as unknown to us, and tells them again when we have
 * the pool. That may be a moment too late: a pool that comes here later than there would be free for us in
 * between, though the partner has leased its addresses, alone in PARTNER-DOWN, or while we had lost our store.
 *
 * So such an address is noted as shared with nobody (shares.c): when it comes into a pool, no free one is given
 * before the partner has agreed. And its lease is kept beside the pools, so that it is waited for should we be
 * in PARTNER-DOWN by then (9.4.2). It forbids, and permits nothing. What ends it is told when we have the pool.
 * How much is kept has a limit: a partner may be mistaken in all its pools, or hostile.
 */
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/binding.h"

/* The part beside the pools that has the address: a page at most, up to what is known on either side. */
static struct fo_pool *part_of(struct fo_table *table, uint32_t address)
{
    uint32_t first = address / FO_PAGE_ADDRESSES * FO_PAGE_ADDRESSES;
    uint32_t last = first + (FO_PAGE_ADDRESSES - 1);
    const struct fo_pool *part;
    for (size_t i = 0; (part = fo_table_part(table, i)) != NULL; i++) {
        if (part->range.last < address && part->range.last >= first)
            first = part->range.last + 1;
        else if (part->range.first > address && part->range.first <= last)
            last = part->range.first - 1;
    }
    return fo_table_add_past(table, first, last);
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The lease that the partner tells of; of the same client nothing is lowered. */
static bool keep_lease(struct fo_relationship *relationship, struct fo_binding *binding,
                       const struct fo_update *update)
{
    struct fo_table *table = &relationship->service->table;
    const struct fo_session *session = &relationship->endpoint.session;
    const struct fo_client client = fo_update_client(update);
    const bool bootp = (update->ip_flags & FO_IP_FLAG_BOOTP) != 0;
    const bool goes_on = binding->status == FO_ACTIVE && fo_table_same_client(binding, &client);
    struct fo_times times = {0};
    struct fo_details details;
    uint8_t space[FO_DETAIL_MAX];
    fo_details_hear(update, &details, space);
    if (!fo_table_set_client(table, binding, &client) || !fo_table_set_details(table, binding, &details))
        return false;
    if (goes_on)
        times = binding->times;
    times.lease_expiration =
        later(times.lease_expiration,
              bootp ? FO_TIME_LAST : fo_session_forbids(session, update->lease_expiration));
    times.sent_potential =
        later(times.sent_potential, fo_session_forbids(session, update->potential_expiration));
    times.acked_potential = times.received_potential = 0;
    if (!goes_on)
        binding->start_of_state = (update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE))
                                      ? fo_session_forbids(session, update->start_of_state)
                                      : fo_service_now(relationship->service).seconds;
    binding->potential = 0;
    binding->cltt = later(goes_on ? binding->cltt : 0, fo_transaction_time(relationship, update));
    binding->flags &= FO_FLAG_IN_HEAP;
    binding->ip_flags = bootp ? FO_IP_FLAG_BOOTP : 0;
    fo_table_set_status(table, binding, FO_ACTIVE);
    binding->times = times;
    return true;
}

bool fo_note_foreign(struct fo_relationship *relationship, const struct fo_update *update)
{
    struct fo_service *service = relationship->service;
    struct fo_pool *part = fo_table_past(&service->table, update->address);
    bool ok = true;
    if (update->status == FO_FREE || (update->status == FO_BACKUP && !relationship->config.primary))
        return true; /* that is what a new pool begins with: the primary's, which may hand some over */
    if (fo_binding_missing(update) != NULL || update->address == 0 || update->address == UINT32_MAX)
        return true;
    if (part == NULL && fo_shares_foreign_count(service) >= FO_FOREIGN_MOST)
        return true; /* the rejection, and the operator's warning, are all there is */
    if (part == NULL)
        part = part_of(&service->table, update->address);
    if (part == NULL || !fo_shares_add_foreign(service, update->address, &part->range))
        return false;
    if (!fo_shares_foreign(service, update->address))
        return true; /* it was shared with somebody else, and is shared anew in any case */
    if (update->status != FO_ACTIVE && update->status != FO_ABANDONED)
        return true;
    struct fo_binding *binding = fo_table_make(&service->table, update->address);
    if (binding == NULL)
        return false;
    if (update->status == FO_ACTIVE)
        ok = keep_lease(relationship, binding, update);
    else
        fo_abandon(service, part, binding, fo_service_now(service).seconds,
                   fo_service_now(service).seconds + service->decline_probation);
    binding->generation++;
    fo_bitmap_put(&part->used, bit_in(part, update->address), binding->status != FO_FREE);
    fo_mark_dirty(service, part, update->address);
    return ok;
}
